// Package mutants proves that the tests would notice. It holds broken variants of the product, each with one of the
// promises taken out, and its test builds and runs the suite that must catch each of them. It has no code but tests.
//
// In: the list (list_*_test.go): a file, the text that is replaced in it, and the tests that must fail because of it.
// Out: a table of which test caught which mutant; the slowest part is building, some four seconds of a core each.
//
//	go test -v -run TestEveryMutantIsCaught ./mutants              all of them, with the table
//	go test -v -run TestEveryMutantIsCaught/no-fence ./mutants     one
//
// The source tree is never changed: a variant reaches the compiler through an overlay in a temporary folder.
//
// What a failure means: a mutant that survives is a promise that no test holds, and the missing test belongs into the
// package that makes the promise. Text that is not found exactly once, or a variant that does not compile, means
// that the code has moved on and the mutant must follow: it fails too, so that no mutant rots in silence.
package mutants
