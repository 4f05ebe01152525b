// Package etcdtest holds a test alone: etcd, a service nobody here wrote, behind
// the gateway. The gateway compiles etcd's own annotated protos from the module
// cache; nothing of them is in this tree.
package etcdtest
