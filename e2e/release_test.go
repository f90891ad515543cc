package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/run"
)

// releases holds, for each release, its commit, the data folder that its programs left, and what its clients had been told then.
//
// A release that changes what is written (segments, snapshots, events, views) gets a folder of its own, made by its programs
// before the change lands:
//
//	SIDECART_RECORD_RELEASE=NAME go test -count=1 -run TestRecordRelease .
//
// The folder is then only read. None is deleted or made anew: each is what somebody's shop may still consist of.
const releases = "testdata/releases"

// ledger is what clients of a recorded shop had been told when it stopped.
type ledger struct {
	Orders []recorded     `json:"orders"`
	Stock  []client.Stock `json:"stock"`
	// Open is what waits for its payment; its time is over when it is read again.
	Open int `json:"open"`
	// Messages are the mails and texts that had arrived, by their ids.
	Messages []string `json:"messages"`
}

// recorded is an order and the key it was placed with.
type recorded struct {
	Key string `json:"key"`
	client.Order
}

// TestReadsEveryRelease: today's programs take up the data of every release: they know its orders, keys and stock, end what
// was open, tell nobody twice, sell on it, and know all of that after another start.
func TestReadsEveryRelease(t *testing.T) {
	harness.SkipIfShort(t)
	folders, err := filepath.Glob(filepath.Join(releases, "*"))
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			harness.Each(t, func(t *testing.T, p harness.Placement) { takeUp(t, folder, p) })
		})
	}
}

func takeUp(t *testing.T, folder string, p harness.Placement) {
	var told ledger
	text, err := os.ReadFile(filepath.Join(folder, "told.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &told))
	data := filepath.Join(t.TempDir(), "shop")
	unpack(t, filepath.Join(folder, "data.tar.gz"), data)
	s := harness.Open(t, p, func(o *run.Options) { o.DataDir = data })

	var skus, orders []string
	open := 0
	for _, o := range told.Orders {
		status := o.Status
		if status == client.AwaitingPayment {
			status = client.Cancelled // its time is over
			open++
		}
		becomes(t, s, o.ID, status)
		read, err := s.Order(t.Context(), o.ID)
		require.NoError(t, err)
		assert.Equal(t, o.Lines, read.Lines)
		assert.Equal(t, o.Total, read.Total)
		again, err := s.Place(t.Context(), o.Key, client.NewOrder{Customer: "ada", Contact: contact, Lines: o.Lines})
		require.NoError(t, err)
		assert.Equal(t, o.ID, again.ID, "the same key is the same order")
		orders = append(orders, o.ID)
	}
	require.Equal(t, told.Open, open)
	for _, then := range told.Stock {
		skus = append(skus, then.SKU)
		harness.Eventually(t, "what is open ends", 0, func() error {
			now, err := s.Stock(t.Context(), then.SKU)
			if err != nil {
				return err
			}
			return wants(now.Reserved == 0 && now.Sold == then.Sold && now.Received == then.Received && now.Available == then.Received-then.Sold,
				"%+v was %+v", now, then)
		})
	}
	arrivals, err := arrived(t, s)
	require.NoError(t, err)
	for _, id := range told.Messages {
		assert.Equal(t, 1, arrivals[id], "arrivals of %s", id)
	}

	sku := stocked(t, s, 2)
	sold := placed(t, s, sku, 2)
	require.NoError(t, s.Pay(t.Context(), sold.ID, "card"))
	becomes(t, s, sold.ID, client.Paid)
	more := placed(t, s, told.Orders[0].Lines[0].SKU, 1)
	orders = append(orders, sold.ID, more.ID)
	restartEverything(t, s)
	audit(t, s, append(skus, sku), orders)
	t.Logf("%d orders, %d of them open, %d SKUs, %d messages", len(told.Orders), open, len(skus), len(told.Messages))
}

var contact = client.Contact{Email: "ada@example.com", Phone: "+4915112345678"}

// TestRecordRelease makes the folder of a release; see releases.
func TestRecordRelease(t *testing.T) {
	name := os.Getenv("SIDECART_RECORD_RELEASE")
	if name == "" {
		t.Skip("SIDECART_RECORD_RELEASE names no release: this test writes " + releases + "/NAME and compares nothing")
	}
	const payWithin = 15 * time.Second
	folder := filepath.Join(releases, name)
	require.NoError(t, os.MkdirAll(releases, 0o755))
	require.NoError(t, os.Mkdir(folder, 0o755), "a release is recorded once")
	data := filepath.Join(t.TempDir(), "shop")
	s := harness.Open(t, harness.One, func(o *run.Options) { o.DataDir = data },
		// Short enough that there are snapshots, holes where segments were trimmed, and archived orders.
		harness.WithPayWithin(payWithin), harness.WithEnv("SIDECART_ARCHIVE_AFTER", "5s"), harness.WithEnv("SIDECART_SNAPSHOT_EVERY", "20"),
		harness.WithEnv("SIDECART_STALE_AFTER", "1s"), harness.WithEnv("SIDECART_TRIM_AFTER", "12s"),
		func(o *run.Options) {
			if program := os.Getenv("SIDECART_RECORD_WITH"); program != "" {
				harness.WithProgram("sidecart", program)(o)
			}
		})
	told := ledger{Messages: []string{}}
	place := func(key string, lines ...client.Line) client.Order {
		o, err := s.Place(t.Context(), key, client.NewOrder{Customer: "ada", Contact: contact, Lines: lines})
		require.NoError(t, err)
		told.Orders = append(told.Orders, recorded{key, o})
		return o
	}
	first, second := stocked(t, s, 40), stocked(t, s, 40)
	one := func(sku string) client.Line { return client.Line{SKU: sku, Quantity: 1} }
	visit := func(round string) {
		paid := place(round+"-paid", one(first))
		require.NoError(t, s.Pay(t.Context(), paid.ID, "card"))
		becomes(t, s, paid.ID, client.Paid)
		both := place(round+"-two-lines", one(first), client.Line{SKU: second, Quantity: 2})
		require.NoError(t, s.Pay(t.Context(), both.ID, "card_declined"))
		harness.Eventually(t, "the decline is heard", 0, func() error { return s.Pay(t.Context(), both.ID, "card") })
		becomes(t, s, both.ID, client.Paid)
		cancelled := place(round+"-cancelled", one(second))
		require.NoError(t, s.Cancel(t.Context(), cancelled.ID))
		refunded := place(round+"-refunded", one(second))
		s.Sandbox.Fault(t, "payment", "lost_reply")
		require.NoError(t, s.Pay(t.Context(), refunded.ID, "card"))
		chargedAtProvider(t, s, refunded.ID)
		require.NoError(t, s.Cancel(t.Context(), refunded.ID))
		s.Sandbox.Fault(t, "payment", "ok")
		becomes(t, s, refunded.ID, client.Refunded)
	}
	for _, round := range []string{"first", "second", "third"} {
		visit(round)
	}
	place("ran-out", one(first))
	pass(t, payWithin+5*time.Second) // what is above is archived, and its segments are trimmed
	visit("last")
	_, err := s.Reserve(t.Context(), second, "open", 3, payWithin)
	require.NoError(t, err)
	_, err = s.Restock(t.Context(), second, "delivery", 7)
	require.NoError(t, err)
	place("open", one(first))
	record(t, s, &told, first, second)
	require.NoError(t, s.Stack.Stop(t.Context()))
	pack(t, data, filepath.Join(folder, "data.tar.gz"), ".sidecart-data", "state.db", "sandbox")
	text, err := json.MarshalIndent(told, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "told.json"), append(text, '\n'), 0o644))
	commit, err := exec.Command("git", "rev-parse", "HEAD").Output()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "commit"), commit, 0o644))
}

// record waits until everybody was told, and notes what an outsider sees now.
func record(t *testing.T, s *harness.Shop, told *ledger, skus ...string) {
	t.Helper()
	attempts := map[string]int{}
	for i := range told.Orders {
		o, err := s.Order(t.Context(), told.Orders[i].ID)
		require.NoError(t, err)
		told.Orders[i].Order = o
		if o.Status == client.AwaitingPayment {
			told.Open++
		}
		if o.Status == client.Paid {
			sent(t, s, o.ID, attempts)
		}
	}
	arrivals, err := arrived(t, s)
	require.NoError(t, err)
	for id := range arrivals {
		told.Messages = append(told.Messages, id)
	}
	for _, sku := range skus {
		stock, err := s.Stock(t.Context(), sku)
		require.NoError(t, err)
		told.Stock = append(told.Stock, stock)
	}
}
