package azure

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/upstream/file"
)

// keys are those of an app.
type keys struct {
	// anonymous says that the functions want none.
	anonymous bool
	// all is that of functions that single does not name; empty is none. single has
	// those of functions by their names, in lower case.
	all     string
	single  map[string]string
	inQuery bool
}

func keysOf(cfg *configpb.AzureFunctionUpstream, dir string) (keys, error) {
	k := keys{all: cfg.GetKey(), inQuery: cfg.GetKeyInQuery()}
	if name := cfg.GetKeyFile(); name != "" {
		var err error
		if k.all, err = file.Secret(dir, name); err != nil {
			return k, fmt.Errorf("key_file: %w", err)
		}
	}
	if err := checkKey(k.all); err != nil {
		return k, fmt.Errorf("key: %w", err)
	}
	for name, key := range cfg.GetKeys() {
		name = strings.ToLower(strings.Trim(name, "/"))
		if name == "" || key == "" {
			return k, fmt.Errorf("keys[%q]: name a function, and give its key", name)
		}
		if err := checkKey(key); err != nil {
			return k, fmt.Errorf("keys[%q]: %w", name, err)
		}
		if k.single == nil {
			k.single = make(map[string]string, len(cfg.GetKeys()))
		}
		k.single[name] = key
	}
	k.anonymous = k.all == "" && len(k.single) == 0
	return k, nil
}

// checkKey refuses what no header can have. The key itself is not said.
func checkKey(key string) error {
	for i := range len(key) {
		if key[i] <= ' ' || key[i] >= 0x7f {
			return fmt.Errorf("byte %d is not printable ASCII", i)
		}
	}
	return nil
}

// set gives r the key of the function that path calls, which is what follows the prefix.
// Keys of the client's own are not sent: they might let it into other functions. Only
// where there are no keys, code is a parameter like others. All says that path is that of
// the whole app.
func (k *keys) set(r *http.Request, path string, all bool) {
	if k.anonymous {
		return
	}
	r.URL.RawQuery = withoutCode(r.URL.RawQuery)
	key := k.of(path, all)
	switch {
	case key == "":
	case !k.inQuery:
		r.Header[functionsKey] = []string{key}
	case r.URL.RawQuery == "":
		r.URL.RawQuery = "code=" + url.QueryEscape(key)
	default:
		r.URL.RawQuery += "&code=" + url.QueryEscape(key)
	}
}

// of is the key for a path: that of the longest name that its segments begin with. There
// is none for a path that the app may take for another one, nor for those of the app
// itself, which no function has: with the master key they tell and change all keys.
func (k *keys) of(path string, all bool) string {
	path, ok := plain(path)
	if first, _, _ := strings.Cut(path, "/"); !ok || all && (first == "admin" || first == "runtime") {
		return ""
	}
	for ; path != "" && len(k.single) > 0; path = path[:max(0, strings.LastIndexByte(path, '/'))] {
		if key, ok := k.single[path]; ok {
			return key
		}
	}
	return k.all
}

// plain is a path as functions are found by it: decoded, in lower case, because routes do
// not tell it from upper case, and without slashes at its ends. A slash that is escaped is
// one of a name. It is not ok if a segment may be resolved, however it is written: then
// another function may be called than the one that it begins with.
func plain(path string) (string, bool) {
	if strings.IndexByte(path, '%') >= 0 {
		kept, err := url.PathUnescape(slashes.Replace(path))
		if decoded, err2 := url.PathUnescape(path); err != nil || err2 != nil || hasDots(decoded) {
			return "", false
		}
		path = kept
	}
	return strings.ToLower(strings.Trim(path, "/")), !hasDots(path)
}

var slashes = strings.NewReplacer("%2F", "%252F", "%2f", "%252F")

// hasDots reports whether a segment of path is a dot or two. Servers of Windows take a
// backslash for a slash.
func hasDots(path string) bool {
	for segment := range strings.FieldsFuncSeq(path, func(c rune) bool { return c == '/' || c == '\\' }) {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// hide takes keys out of where an answer leads to. Who comes by http App Service may send
// to the same URL with https, and who has to sign in to a page that is told of the URL.
func (k *keys) hide(h http.Header) {
	location := h.Get("Location")
	if location == "" || !k.in(location) {
		return
	}
	if before, query, ok := strings.Cut(location, "?"); ok {
		location = before
		if query = withoutCode(query); query != "" {
			location += "?" + query
		}
	}
	if h.Set("Location", location); k.in(location) {
		h.Del("Location")
	}
}

// mostEscapes is how many times text is looked into that was escaped again and again.
const mostEscapes = 4

// in reports whether one of the keys is in text.
func (k *keys) in(text string) bool {
	for range mostEscapes {
		if k.all != "" && strings.Contains(text, k.all) {
			return true
		}
		for _, key := range k.single {
			if strings.Contains(text, key) {
				return true
			}
		}
		decoded, err := url.PathUnescape(text)
		if err != nil || decoded == text {
			break
		}
		text = decoded
	}
	return false
}

// withoutCode is a query without the parameter code, and otherwise as it is.
func withoutCode(query string) string {
	if !strings.ContainsAny(query, "cC%") {
		return query
	}
	var out []string
	removed := false
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if strings.EqualFold(name, "code") {
			removed = true
			continue
		}
		out = append(out, part)
	}
	if !removed {
		return query
	}
	return strings.Join(out, "&")
}
