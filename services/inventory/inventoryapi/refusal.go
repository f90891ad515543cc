package inventoryapi

import (
	"time"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// Refusal is an error as one result of several carries it: what the problem document of an answer of its own would say.
type Refusal struct {
	Status      int          `json:"status"` // as HTTP would have it
	Code        string       `json:"code"`
	Detail      string       `json:"detail"`
	Errors      []errs.Field `json:"errors,omitempty"`
	UnknownSKUs []string     `json:"unknown_skus,omitempty"` // of unknown_sku
	SKUs        []Shortage   `json:"skus,omitempty"`         // of sold_out
	RetryAfter  int64        `json:"retry_after,omitzero"`   // seconds; 0 says nothing
}

// Members of the problem documents of unknown_sku and sold_out.
const (
	MemberUnknownSKUs = "unknown_skus"
	MemberSKUs        = "skus"
)

// RefusalOf writes err down; its cause stays here.
func RefusalOf(err error) *Refusal {
	e := errs.From(err)
	r := &Refusal{
		Status: e.Kind.Status(), Code: e.Code, Detail: e.Message, Errors: e.Fields,
		RetryAfter: int64((e.RetryAfter + time.Second - 1) / time.Second),
	}
	r.UnknownSKUs, _ = e.Extra[MemberUnknownSKUs].([]string)
	r.SKUs, _ = e.Extra[MemberSKUs].([]Shortage)
	return r
}

// Err is the error that RefusalOf wrote down.
func (r *Refusal) Err() *errs.Error {
	e := errs.New(errs.KindOf(r.Status), r.Code, r.Detail)
	e.Fields, e.RetryAfter = r.Errors, time.Duration(r.RetryAfter)*time.Second
	if r.UnknownSKUs != nil {
		e = e.With(MemberUnknownSKUs, r.UnknownSKUs)
	}
	if r.SKUs != nil {
		e = e.With(MemberSKUs, r.SKUs)
	}
	return e
}
