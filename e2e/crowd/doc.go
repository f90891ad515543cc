// Package crowd is customers of a shop who speak only the public contract: each places an order, pays or cancels it, and
// waits for the end. A call whose outcome is unknown is repeated with the same id until its answer is definite or the
// context ends, so a visit ends with what the shop has promised, or with no answer and never with a guess.
package crowd
