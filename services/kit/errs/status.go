package errs

import "net/http"

// statuses is the one table from kinds to HTTP.
var statuses = [...]int{
	Internal:         http.StatusInternalServerError,
	Invalid:          http.StatusBadRequest,
	Unauthenticated:  http.StatusUnauthorized,
	Forbidden:        http.StatusForbidden,
	NotFound:         http.StatusNotFound,
	MethodNotAllowed: http.StatusMethodNotAllowed,
	Conflict:         http.StatusConflict,
	Gone:             http.StatusGone,
	TooLarge:         http.StatusRequestEntityTooLarge,
	UnsupportedMedia: http.StatusUnsupportedMediaType,
	Unprocessable:    http.StatusUnprocessableEntity,
	TooMany:          http.StatusTooManyRequests,
	Unavailable:      http.StatusServiceUnavailable,
}

// Status is the HTTP status of the kind; a kind that does not exist is a defect of ours like any other.
func (k Kind) Status() int {
	if int(k) >= len(statuses) {
		return http.StatusInternalServerError
	}
	return statuses[k]
}

// KindOf is the kind that a status stands for; it is how an error that another service sent is read back.
// A status outside the table is Internal when it is 5xx and Invalid otherwise.
func KindOf(status int) Kind {
	for k, s := range statuses {
		if s == status {
			return Kind(k)
		}
	}
	if status >= http.StatusInternalServerError {
		return Internal
	}
	return Invalid
}
