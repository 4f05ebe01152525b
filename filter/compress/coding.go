package compress

import (
	"io"

	codings "github.com/dragoman-gateway/dragoman/transcoder/coding"
)

// coding is one way to compress.
type coding struct {
	// alias is another name that clients may use.
	name, alias string
	// header is the value of Content-Encoding; nobody changes it.
	header []string
	// suffix tells entity tags of the compressed form from others.
	suffix string
}

var (
	gzipCoding = &coding{name: "gzip", alias: "x-gzip", header: []string{"gzip"}, suffix: "-gzip"}
	zstdCoding = &coding{name: "zstd", alias: "zstd", header: []string{"zstd"}, suffix: "-zstd"}
)

// encoder is one that writes to w.
func (c *coding) encoder(w io.Writer) *codings.Encoder { return codings.NewEncoder(w, c.name) }
