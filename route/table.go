package route

// Result says how a match ended.
type Result uint8

// The results, the worst first.
const (
	// NotFound: nothing fits the host and the path.
	NotFound Result = iota
	// MethodNotAllowed: something fits the path, but nothing takes the method;
	// see [Table.Allow].
	MethodNotAllowed
	// UnsupportedMediaType: something fits the path and takes the method, but
	// not the content type.
	UnsupportedMediaType
	// Found: the exchange has an entry.
	Found
)

// Table is a compiled set of entries. It is immutable and safe for any
// goroutine.
type Table struct {
	entries []*Entry
}

// Compile makes a table. An error joins one [*Conflict] for each two entries
// that no request can tell apart, and one error for each malformed host.
func Compile(entries []*Entry) (*Table, error) {
	return &Table{entries: entries}, nil
}

// Match finds the most specific entry for q. It sets x.Entry (nil unless
// [Found]), x.Path and x.Captures, whose capacity it reuses, and nothing else.
// It does not allocate.
func (t *Table) Match(q *Request, x *Exchange) Result { return NotFound }

// Allow lists the methods of all entries that fit the host and the path of q,
// sorted, with HEAD if GET is there, and OPTIONS. It is empty if nothing fits.
func (t *Table) Allow(q *Request) []string { return nil }

// Entries lists the entries in a stable order for people. The caller may not
// change it.
func (t *Table) Entries() []*Entry { return t.entries }
