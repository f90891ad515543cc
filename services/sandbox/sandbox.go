package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// Sandbox is the outside world.
type Sandbox struct {
	cfg      Config
	faults   *faults
	provider *provider
	texts    *texts
	mailbox  *mailbox
	ready    chan struct{}
	http     net.Listener
	smtp     net.Listener
}

// New checks cfg; it opens nothing.
func New(cfg Config) (*Sandbox, error) {
	cfg = cfg.defaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Sandbox{cfg: cfg, faults: newFaults(cfg.Slow), ready: make(chan struct{})}, nil
}

// Ready is closed once both servers listen.
func (s *Sandbox) Ready() <-chan struct{} { return s.ready }

// Addresses gives where the servers listen, host:port; valid after Ready.
func (s *Sandbox) Addresses() (httpAddress, smtpAddress string) {
	return s.http.Addr().String(), s.smtp.Addr().String()
}

// stopWithin bounds how long open requests may take to end.
const stopWithin = 3 * time.Second

// Run opens the books, listens, and works until ctx ends.
func (s *Sandbox) Run(ctx context.Context) (err error) {
	if err := s.open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if s.http, err = s.listen(s.cfg.Port); err != nil {
		return err
	}
	if s.smtp, err = s.listen(s.cfg.SMTPPort); err != nil {
		return errors.Join(err, s.http.Close())
	}
	web := httpx.NewServer(s.routes(), httpx.ServerConfig{}, s.cfg.Log)
	post := s.mailbox.server(slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ended(web.Serve(s.http), http.ErrServerClosed) })
	group.Go(func() error { return ended(post.Serve(door{s.smtp, s.faults}), smtp.ErrServerClosed) })
	group.Go(func() error {
		<-ctx.Done()
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		if web.Shutdown(within) != nil {
			_ = web.Close() // whoever is cut off learns it from the connection
		}
		if post.Shutdown(within) != nil {
			_ = post.Close()
		}
		return nil
	})
	s.cfg.Log.InfoContext(ctx, "the sandbox is ready", "http", "http://"+s.http.Addr().String(), "smtp", s.smtp.Addr().String(), "dir", s.cfg.Dir)
	close(s.ready)
	return group.Wait()
}

// ended makes a server's ordinary end no error.
func ended(err, ordinary error) error {
	if errors.Is(err, ordinary) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *Sandbox) listen(port int) (net.Listener, error) {
	return httpx.Listen(net.JoinHostPort(s.cfg.Host, strconv.Itoa(port)))
}

// open reads the books.
func (s *Sandbox) open() (err error) {
	if s.provider, err = openProvider(filepath.Join(s.cfg.Dir, "payments.jsonl"), s.cfg.Now, s.faults.wait); err != nil {
		return err
	}
	if s.texts, err = openTexts(filepath.Join(s.cfg.Dir, "sms.jsonl"), s.cfg.Now); err != nil {
		return errors.Join(err, s.provider.book.close())
	}
	if s.mailbox, err = openMailbox(filepath.Join(s.cfg.Dir, "mail.jsonl"), s.cfg.Now, s.faults); err != nil {
		return errors.Join(err, s.provider.book.close(), s.texts.book.close())
	}
	return nil
}

func (s *Sandbox) close() error {
	return errors.Join(s.provider.book.close(), s.texts.book.close(), s.mailbox.book.close())
}

// routes mounts everything; what a switch makes fail is behind its guard.
func (s *Sandbox) routes() http.Handler {
	e := httpx.NewEcho(httpx.Config{Listener: "sandbox"}, httpx.Deps{Log: s.cfg.Log})
	e.GET("/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok") })
	e.GET("/", s.page)
	e.GET("/faults", s.getFaults)
	e.POST("/faults", s.postFaults)

	paying := s.faults.guard(s.faults.strike)
	for _, base := range []string{"", "/provider"} {
		e.POST(base+"/charges", s.provider.postCharge, paying)
		e.POST(base+"/refunds", s.provider.postRefund, paying)
		e.GET(base+"/charges", list(s.bookOfProvider, func(c echo.Context) (func(Entry) bool, error) {
			return entries(c, func(e Entry) bool { return e.Kind != kindRefund })
		}))
		e.GET(base+"/refunds", list(s.bookOfProvider, func(c echo.Context) (func(Entry) bool, error) {
			return entries(c, func(e Entry) bool { return e.Kind == kindRefund })
		}))
	}
	e.POST("/sms", s.texts.post, s.faults.guard(func() string { return s.faults.get().SMS }))
	e.GET("/sms", list(func() *book[Text] { return s.texts.book }, func(c echo.Context) (func(Text) bool, error) {
		to, err := httpx.Query(c, "to")
		return func(t Text) bool { return to == "" || t.To == to }, err
	}))
	e.GET("/mail", list(func() *book[Mail] { return s.mailbox.book }, func(c echo.Context) (func(Mail) bool, error) {
		to, err := httpx.Query(c, "to")
		return func(m Mail) bool { return to == "" || has(m.To, to) }, err
	}))
	return e
}

func (s *Sandbox) bookOfProvider() *book[Entry] { return s.provider.book }

// entries narrows a list of the ledger to one order if the query says so.
func entries(c echo.Context, kind func(Entry) bool) (func(Entry) bool, error) {
	order, err := httpx.Query(c, "order_id")
	return func(e Entry) bool { return kind(e) && (order == "" || e.OrderID == order) }, err
}

func has(list []string, one string) bool {
	for _, s := range list {
		if s == one {
			return true
		}
	}
	return false
}

// maxListItems bounds a page; it is wider than that of the product, because tests read whole books.
const maxListItems = 1000

// list answers a page of a book, oldest first; the cursor is an offset in it.
func list[R any](of func() *book[R], filter func(echo.Context) (func(R) bool, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		limit, err := httpx.QueryInt(c, "limit", maxListItems, 1, maxListItems)
		if err != nil {
			return err
		}
		cursor, err := httpx.Query(c, "cursor")
		if err != nil {
			return err
		}
		var from int64
		if cursor != "" {
			if from, err = strconv.ParseInt(cursor, 10, 64); err != nil {
				return errs.InvalidField("cursor", "is not one that this list gave")
			}
		}
		keep, err := filter(c)
		if err != nil {
			return err
		}
		items, next, err := of().scan(from, limit, keep)
		if errors.Is(err, errOffset) {
			return errs.InvalidField("cursor", "is not one that this list gave")
		}
		if err != nil {
			return fmt.Errorf("sandbox: reading a book: %w", err)
		}
		answer := httpx.List[R]{Items: items}
		if answer.Items == nil {
			answer.Items = []R{}
		}
		if next > 0 {
			answer.NextCursor = strconv.FormatInt(next, 10)
		}
		return c.JSON(http.StatusOK, answer)
	}
}
