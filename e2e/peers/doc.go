// Command peers is what scripts/bench compares sidecart with: small shops that somebody would write by hand, each a real process
// that takes the same reservations over the same HTTP, on plain Echo.
//
//	nothing      reads a reservation, answers one and keeps nothing: what HTTP and JSON alone cost
//	nothing-kit  the same behind sidecart's own HTTP kit (bounds, trace ids, strict JSON, metrics)
//	batch        the least that answers after a write through a Dapr sidecar which all share who wait; knows no stock, no repeats
//	lua          go-redis and one atomic script: check and decrement. A repeated request is sold twice
//	lua-default  lua with as many connections as go-redis opens by itself; lua has 256, which serves most
//	lua-idem     lua with an idempotency key, a pending record and an index of what expires
//	postgres     pgx and one statement: UPDATE … WHERE available >= n, and the row of the reservation
//	dapr         one ETag-guarded write of the SKU's state through a Dapr sidecar for each request
//	workflow     each order a Dapr workflow: reserve, record, wait for the payment, charge, confirm, notify
//
// Four more are for the benchmark of the gateway: upstream counts orders and answers them at once; gateway (sidecart's own, whole) and
// reverseproxy (httputil.ReverseProxy and nothing else; reverseproxy-pool keeps its buffers) stand in front of it, over the same transport.
//
// They are meant to be as fast as they honestly can, lua-default apart: connections are pooled, statements and scripts are prepared, everything is one
// round trip where one is possible. None of them lets a hold end or keeps a history, and but for workflow none tells anybody of anything. A module of its own, so
// that nobody but who benchmarks downloads the drivers.
package main
