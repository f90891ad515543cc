// Package e2e holds the journeys: what people do with a shop, done to a real one (real daprd processes, broker and
// stores) in both placements, with nothing but the public contract and the sandbox to look at. After every journey
// that moves stock the books must balance: see audit_test.go for what that means.
package e2e
