package contracts

import (
	"context"
	"fmt"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/gateway/compress"
)

// Set is everything that follows from the contracts which are in use. It is not changed once it is made.
type Set struct {
	OpenAPI Asset        // all contracts as one document, JSON
	Page    Asset        // the same for people, HTML
	Start   Asset        // where a newcomer begins, HTML
	Missing []string     // services whose contract has not been learned
	Twice   []*Operation // operations that an earlier contract has already; they are left out

	root *Node
	byID map[string]*Operation
}

// Asset is a document that is made once and served often.
type Asset struct {
	ContentType string
	Body        *compress.Page
	ETag        string // a strong one, in its quotes
}

func newAsset(contentType string, body []byte) Asset {
	return Asset{ContentType: contentType, Body: compress.NewPage(body), ETag: `"` + etagOf(body) + `"`}
}

// Extra says what the gateway offers beside the contracts that a Set has just joined: operations of its own making (see
// NewOperation), and what adds them to the merged document, which may be nil. It is called for each Set anew, before anybody
// else sees it.
type Extra func(*Set) (operations []*Operation, describe func(doc map[string]any))

// NewSet joins the contracts; the first is the gateway's own. base is the address that examples show. extra may be nil.
func NewSet(contracts []*Contract, extra Extra, missing []string, base string) (*Set, error) {
	s := &Set{root: &Node{}, Missing: missing, byID: map[string]*Operation{}}
	for _, c := range contracts {
		for _, o := range c.ops {
			s.add(o)
		}
	}
	joined := merge(contracts)
	if extra != nil {
		operations, describe := extra(s)
		for _, o := range operations {
			s.add(o)
		}
		if describe != nil {
			describe(joined)
		}
	}
	merged, err := json.Marshal(joined, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("merged contract: %w", err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(merged)
	if err == nil {
		err = doc.Validate(context.Background())
	}
	if err != nil {
		return nil, fmt.Errorf("merged contract: %w", err)
	}
	own := ""
	if len(contracts) > 0 {
		own = contracts[0].Service
	}
	page, err := renderPage(doc, missing, own, base)
	if err != nil {
		return nil, fmt.Errorf("documentation: %w", err)
	}
	s.Start = newAsset("text/html; charset=utf-8", index())
	s.OpenAPI = newAsset("application/json", merged)
	s.Page = newAsset("text/html; charset=utf-8", page)
	return s, nil
}

// add takes an operation in, unless another one stands in its place.
func (s *Set) add(o *Operation) {
	if !s.root.insert(o) {
		s.Twice = append(s.Twice, o)
		return
	}
	if _, taken := s.byID[o.ID]; !taken && o.ID != "" {
		s.byID[o.ID] = o
	}
}

// Find gives the node where the path of these segments (see Segments) ends; nil if no contract has the path.
func (s *Set) Find(segments []string) *Node { return s.root.find(segments) }

// Operation is the one of an operationId; nil if there is none. Of two services with the same id the first has it.
func (s *Set) Operation(id string) *Operation { return s.byID[id] }

// Operations lists all by operationId.
func (s *Set) Operations() map[string]*Operation { return s.byID }
