// Package compress shortens the gateway's answers by zstd, brotli or gzip, whichever the caller takes and we prefer.
//
// In: an answer that is complete in memory, and the request's Accept-Encoding. Out: the bytes to send and the headers
// that go with them. It never fails: what cannot, may not or is not worth being compressed goes out as it is.
//
// What is never compressed: an answer below Config.MinBytes (it fits into a packet either way), one that has an encoding,
// a range or no-transform, one of a media type that is packed already, and one that is marked no-store or sets a
// cookie. The last two are about BREACH (https://breachattack.com): where a secret and text of a stranger's choice stand
// in one compressed answer, its length tells the secret piece by piece. Here secrets in answers are tokens, which
// account marks no-store as RFC 6749 wants it. The attack also needs a victim's browser that sends credentials by itself;
// ours are Authorization headers, which a stranger's page cannot make it send, and there are no cookies.
//
// Memory is bounded: there are as many encoders of each coding as Config.Encoders says (the defaults have up to 300 KB
// each after large answers, about 100 KB after usual ones). Who finds none free sends his answer uncompressed
// instead of waiting: that happens when the processors are busy, and then not compressing is the right thing.
package compress
