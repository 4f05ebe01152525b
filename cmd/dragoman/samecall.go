package main

import (
	"net"
	"path/filepath"
	"strings"

	"github.com/dragoman-gateway/dragoman/config"
	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// sameCall is the call of an answer as a line for grpcurl and one for buf curl:
// to the upstream itself, if the two can have its descriptors, else through the
// listener, whose reflection always has them. Headers that the gateway adds are
// left out.
func sameCall(plan *config.Plan, up *config.Upstream, m *rpc.Method, a *answer) (grpcurl, bufCurl string) {
	cfg, ok := up.Kind.(*configpb.GRPCUpstream)
	if !ok {
		return "", ""
	}
	g := command{words: []string{"grpcurl"}, dir: plan.File.Dir()}
	b := command{words: []string{"buf", "curl", "--protocol", "grpc"}, dir: plan.File.Dir()}
	if image, direct := offers(up.Source); direct {
		if image != "" {
			g.add("-protoset", g.file(image))
			b.add("--schema", b.file(image))
		}
		for _, h := range a.Metadata {
			if !strings.HasPrefix(h.Name, "x-forwarded-") {
				header(&g, &b, h.Name, h.Value)
			}
		}
		address(&g, &b, cfg.GetTarget(), cfg.GetTls(), cfg.GetAuthority(), a, m)
		return g.String(), b.String()
	}
	for _, h := range a.headers {
		header(&g, &b, h.Name, h.Value)
	}
	for _, l := range plan.Listeners {
		if l.Name == a.Listener {
			host, port, _ := net.SplitHostPort(l.Address)
			if host == "" || host == "0.0.0.0" || host == "::" {
				host = "localhost"
			}
			var tls *configpb.ClientTLS
			if l.TLS != nil {
				tls = &configpb.ClientTLS{}
			}
			authority := a.Host
			if authority == "localhost" {
				authority = ""
			}
			address(&g, &b, net.JoinHostPort(host, port), tls, authority, a, m)
		}
	}
	return g.String(), b.String()
}

// offers reports whether a tool can have the descriptors of a source: from the
// upstream itself, or from an image in the form that both tools read.
func offers(source any) (image string, ok bool) {
	switch source := source.(type) {
	case *configpb.ReflectionSource:
		return "", source.GetTarget() == ""
	case *configpb.ImageSource:
		switch filepath.Ext(source.GetPath()) {
		case ".binpb", ".bin", ".pb", ".protoset":
			return source.GetPath(), true
		}
	}
	return "", false
}

// address adds the message, the server and the method to both commands.
func address(g, b *command, target string, tls *configpb.ClientTLS, authority string, a *answer, m *rpc.Method) {
	g.tls(tls, "-plaintext", "-cacert", "-cert", "-key", "-servername", "-insecure")
	b.tls(tls, "--http2-prior-knowledge", "--cacert", "--cert", "--key", "--servername", "--insecure")
	if authority != "" {
		g.add("-authority", authority)
		b.add("-H", "Host: "+authority, "--reflect-header", "Host: "+authority)
	}
	message := "{}"
	if len(a.Request.JSON) > 0 {
		message = string(a.Request.JSON)
	}
	g.add("-d", message)
	b.add("-d", message)

	scheme := "http://"
	if tls != nil {
		scheme = "https://"
	}
	if path, ok := strings.CutPrefix(target, "unix:"); ok {
		path = "/" + strings.TrimLeft(path, "/")
		g.add("-unix", path)
		b.add("--unix-socket", path)
		target = "localhost"
	} else {
		if i := strings.LastIndexByte(target, '/'); i >= 0 {
			target = target[i+1:] // dns:///, passthrough:///
		}
		target = strings.TrimPrefix(target, "dns:")
		g.add(target)
	}
	g.add(strings.TrimPrefix(m.Path, "/"))
	b.add(scheme + target + m.Path)
}

// header adds a header to both commands. buf takes a list of headers, separated by
// commas as in a CSV file.
func header(g, b *command, name, value string) {
	h := name + ": " + value
	g.add("-H", h)
	if strings.ContainsAny(h, `,"`) {
		h = `"` + strings.ReplaceAll(h, `"`, `""`) + `"`
	}
	b.add("-H", h)
}

// command is a line for a shell.
type command struct {
	words []string
	// dir is what names of files are relative to.
	dir string
}

func (c *command) add(words ...string) { c.words = append(c.words, words...) }

func (c *command) file(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.dir, name)
}

// tls adds the options of a connection under these names.
func (c *command) tls(cfg *configpb.ClientTLS, clear, ca, cert, key, name, insecure string) {
	if cfg == nil {
		c.add(clear)
		return
	}
	for _, o := range []struct{ name, file string }{{ca, cfg.GetCa()}, {cert, cfg.GetCert()}, {key, cfg.GetKey()}} {
		if o.file != "" {
			c.add(o.name, c.file(o.file))
		}
	}
	if cfg.GetServerName() != "" {
		c.add(name, cfg.GetServerName())
	}
	if cfg.GetInsecureSkipVerify() {
		c.add(insecure)
	}
}

// String quotes what a shell would not take as one word.
func (c *command) String() string {
	quoted := make([]string, len(c.words))
	for i, w := range c.words {
		quoted[i] = w
		if w == "" || strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,") != "" {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
