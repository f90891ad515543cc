// Package money owns amounts: integer minor units of an ISO 4217 currency, never a float. Arithmetic is checked;
// an overflow or a mix of currencies is an error and never a wrong sum. The package is pure: it holds no state,
// and everything in it is safe for concurrent use.
package money
