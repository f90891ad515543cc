// Package toy is what the gate is tried on.
package toy

// Add is tested.
func Add(a, b int) int { return a + b }

// Multiply is not.
func Multiply(a, b int) int { return a * b }
