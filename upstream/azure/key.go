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
// where there are no keys, code is a parameter like others.
func (k *keys) set(r *http.Request, path string) {
	if k.anonymous {
		return
	}
	r.URL.RawQuery = withoutCode(r.URL.RawQuery)
	key := k.of(path)
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

// of is the key for a path: that of the longest name that its segments begin with.
// Routes of functions do not tell upper from lower case.
func (k *keys) of(path string) string {
	if len(k.single) == 0 {
		return k.all
	}
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	for path = strings.ToLower(strings.Trim(path, "/")); path != ""; path = path[:max(0, strings.LastIndexByte(path, '/'))] {
		if key, ok := k.single[path]; ok {
			return key
		}
	}
	return k.all
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
