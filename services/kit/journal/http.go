package journal

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// Route is where Register mounts a journal, below its service's name: followers ask there, and a host knows them by it.
const Route = "/journal"

// HeadsAnswer is the body of GET /journal.
type HeadsAnswer struct {
	Service   string     `json:"service"`
	Journal   string     `json:"journal"` // its identity: Meta.ID
	Shards    int        `json:"shards"`
	Heads     []uint64   `json:"heads"` // last committed segment per shard
	First     []uint64   `json:"first"` // first segment per shard that is not trimmed
	Followers []Follower `json:"followers"`
}

// SegmentsAnswer is the body of GET /journal/:shard. A caller that reads Documents says so with layout=2; others get every
// segment unpacked. S is what a segment is read or written as: Document, Segment, or its JSON.
type SegmentsAnswer[S any] struct {
	Journal  string `json:"journal"` // its identity: Meta.ID
	Segments []S    `json:"segments"`
	Head     uint64 `json:"head"` // last committed segment of the shard
}

// SnapshotStart is the first line of GET /journal/:shard/snapshot; a SnapshotRecord of the domain is on each line
// after it, and SnapshotEnd is the last.
type SnapshotStart struct {
	Service string    `json:"service"`
	Shard   int       `json:"shard"`
	Seq     uint64    `json:"seq"` // the state is that after this segment
	At      time.Time `json:"at"`
}

// SnapshotRecord is one record of the domain's Dump.
type SnapshotRecord struct {
	Kind   string `json:"kind"`
	Record any    `json:"record"`
}

// SnapshotEnd says that the stream is complete: one without it was cut off.
type SnapshotEnd struct {
	End     bool `json:"end"`
	Records int  `json:"records"`
}

// Register mounts the journal's routes for followers on the service's group. They are for other services, never for
// the public. A follower says with follower and acked how far it has durably come.
func (j *Journal[S]) Register(g *echo.Group) {
	g.GET(Route, j.getHeads)
	g.GET(Route+"/:shard", j.getSegments)
	g.GET(Route+"/:shard/snapshot", j.getSnapshot)
	g.DELETE(Route+"/followers/:name", j.deleteFollower)
}

func (j *Journal[S]) getHeads(c echo.Context) error {
	// Followers conclude from the heads that they are level, so they must be those of the store and not of this replica.
	if err := j.syncAll(c.Request().Context()); err != nil {
		return err
	}
	first := make([]uint64, len(j.shards))
	for n, s := range j.shards {
		first[n] = s.trimmedThrough.Load() + 1
	}
	return respond(c, HeadsAnswer{j.cfg.Service, j.id, len(j.shards), j.Heads(), first, j.Followers()})
}

func (j *Journal[S]) getSegments(c echo.Context) error {
	n, err := j.shardParam(c)
	if err != nil {
		return err
	}
	after, err := uintParam(c, "after", 0)
	if err != nil {
		return err
	}
	limit, err := uintParam(c, "limit", maxPullSegments)
	if err != nil {
		return err
	}
	if limit < 1 || limit > maxPullSegments {
		return errs.InvalidField("limit", "must be 1..%d", maxPullSegments)
	}
	newest, err := uintParam(c, "layout", SegmentVersion)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if follower := c.QueryParam("follower"); follower != "" {
		acked, err := uintParam(c, "acked", 0)
		if err != nil {
			return err
		}
		if err := j.Acknowledge(ctx, follower, n, acked); err != nil {
			return err
		}
	}
	found, err := j.documents(ctx, n, after, int(limit))
	if err != nil {
		return err
	}
	segments := make([]jsontext.Value, len(found))
	for i, d := range found {
		if segments[i], err = inLayout(newest, d.value); err != nil {
			return err
		}
	}
	return respond(c, SegmentsAnswer[jsontext.Value]{j.id, segments, j.shards[n].head().seq})
}

// inLayout gives a segment's value to a caller that reads layouts up to newest.
func inLayout(newest uint64, value []byte) (jsontext.Value, error) {
	if newest >= PackedVersion {
		return value, nil
	}
	var s Segment
	if err := json.Unmarshal(value, &s); err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

// getSnapshot streams the committed state. It is not bounded as a whole; each line is, and a caller that goes away
// ends it.
func (j *Journal[S]) getSnapshot(c echo.Context) error {
	n, err := j.shardParam(c)
	if err != nil {
		return err
	}
	v := j.shards[n].head()
	c.Response().Header().Set(echo.HeaderContentType, "application/x-ndjson")
	c.Response().WriteHeader(http.StatusOK)
	line := func(doc any) error {
		data, err := json.Marshal(doc)
		if err == nil {
			_, err = c.Response().Write(append(data, '\n'))
		}
		return err
	}
	if err := line(SnapshotStart{j.cfg.Service, n, v.seq, v.at}); err != nil {
		return err
	}
	records := 0
	err = j.machine.Dump(v.domain, func(kind string, record any) error {
		records++
		return line(SnapshotRecord{kind, record})
	})
	if err != nil {
		return err
	}
	return line(SnapshotEnd{true, records})
}

func (j *Journal[S]) deleteFollower(c echo.Context) error {
	name := c.Param("name")
	if !serviceName.MatchString(name) {
		return errs.InvalidField("name", "is not a service's name")
	}
	if err := j.Forget(c.Request().Context(), name); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (j *Journal[S]) shardParam(c echo.Context) (int, error) {
	n, err := strconv.Atoi(c.Param("shard"))
	if err != nil {
		return 0, errs.InvalidField("shard", "must be a number")
	}
	_, err = j.shard(n)
	return n, err
}

func uintParam(c echo.Context, name string, def uint64) (uint64, error) {
	text := c.QueryParam(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, errs.InvalidField(name, "must be a whole number, 0 or more")
	}
	return n, nil
}

func respond(c echo.Context, doc any) error {
	var body bytes.Buffer
	if err := json.MarshalWrite(&body, doc); err != nil {
		return err
	}
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body.Bytes())
}
