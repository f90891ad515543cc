// Package contracts keeps what the services say about themselves: their OpenAPI 3.0 documents.
//
// In: a document of each service, fetched again and again (Book). Out: a Set, which is everything that follows from
// the documents which are in use: the operations by path and method, who may call them, what a request and an answer
// must look like, and one merged document for machines and one for people. A Set is immutable; the Book swaps the
// present one atomically, so a request sees one Set from its beginning to its end.
//
// A document that cannot be read, or that would break callers of the one in use (see Breaks), is refused as a whole:
// the one in use stays, and Book.Report says since when and why.
package contracts
