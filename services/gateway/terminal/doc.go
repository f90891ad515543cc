// Package terminal fits the services' answers to who shows them: a phone's app wants fewer fields than a browser, and
// may have other names for them.
//
// In: the section `terminals` of gateway.yaml, the schemas of the operations' answers, and then one answer after another
// with the caller's X-Client. Out: the answer with the fields that the rules keep, under the names that they give. A
// caller who names no terminal, or one that has no rules, is `web`; without rules for that, the answer stays as it is. `plain` is for callers who want all of it.
//
// Rules are compiled once into a tree; an answer is walked token by token and never becomes Go values. Only JSON answers
// of success are touched: a problem document is the same for everybody. This is about size and convenience, not about
// secrecy: whoever leaves X-Client out sees all that he may see.
//
// A rule that does not fit the contract is a fault. Rules that are loaded with a fault are refused as a whole by the
// package rules; when a contract changes under rules that were good, the paths that it no longer has are passed over,
// and the faults say so.
package terminal
