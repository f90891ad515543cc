// Package screen answers for a whole screen at once: GET /v1/screens/home instead of one request for each thing on it.
//
// In: the section `screens` of gateway.yaml, the operations of the contracts, and for each request a way to have one
// operation answered. Out: {"parts": {name: answer}, "missing": [{"part", "code"}]}.
//
// The parts are asked for at once, each with a budget of its own. Asking goes through the gateway's own pipeline in the
// caller's name, so that a screen shows nobody what he could not have asked for himself, and a part is mapped for the caller's
// terminal, limited and routed like any other request. A part that fails is named in missing, with the code of its
// problem; when it is one that the screen requires, the screen fails as that part did, at once, with the member
// "part" in the problem document.
//
// The number of parts and the bytes of a screen are bounded. The package keeps no state between requests.
package screen
