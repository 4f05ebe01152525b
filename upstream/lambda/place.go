package lambda

import (
	"sync"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/upstream/balance"
)

// places bound the calls of each function. A function is a set of one endpoint that is
// never left out: what matters of it are the places and the queue for them.
type places struct {
	mu   sync.Mutex
	sets map[string]*balance.Set
}

func (p *places) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, set := range p.sets {
		set.Close()
	}
}

// of is the places of a function. There are as many functions as the configuration
// names.
func (p *places) of(u *Upstream, function string) (*balance.Set, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if set := p.sets[function]; set != nil {
		return set, nil
	}
	set, err := balance.New(placesConfig(u.name, function, u.limits))
	if err != nil {
		return nil, err
	}
	if p.sets == nil {
		p.sets = make(map[string]*balance.Set)
	}
	p.sets[function] = set
	return set, nil
}

func placesConfig(name, function string, limits *configpb.UpstreamLimits) balance.Config {
	config := balance.Config{
		Name: name,
		// An address that is not looked up, as nothing is dialled.
		Targets:     []string{"unix:" + function},
		Ejection:    balance.Ejection{Failures: -1},
		Requests:    requestsOf(limits),
		Waiting:     maxWaiting,
		WaitTimeout: duration(limits.GetWaitTimeout(), waitTimeout),
	}
	if limits != nil && limits.Waiting != nil {
		config.Waiting = int(limits.GetWaiting())
	}
	return config
}

func requestsOf(limits *configpb.UpstreamLimits) int {
	if limits != nil && limits.Requests != nil {
		return int(limits.GetRequests())
	}
	return maxRequests
}
