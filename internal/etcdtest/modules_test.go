package etcdtest

// The import keeps the module in go.mod: the test reads its .proto files.
import _ "github.com/gogo/protobuf/gogoproto"
