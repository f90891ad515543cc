package main

import "context"

// nothing keeps nothing: its books are always empty.
type nothing struct{}

func (nothing) put(context.Context, string, int64) error           { return nil }
func (nothing) reserve(context.Context, reservation) error         { return nil }
func (nothing) stock(_ context.Context, sku string) (books, error) { return books{SKU: sku}, nil }
func (nothing) close()                                             {}
