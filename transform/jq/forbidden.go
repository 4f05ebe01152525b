package jq

// reserved is how names begin that a compiled program has besides its own.
const reserved = "__"

// formats are what gojq has behind an @. It looks an unknown one up when it runs.
var formats = []string{"@text", "@json", "@html", "@uri", "@urid", "@csv", "@tsv", "@sh", "@base64", "@base64d"}

const (
	noFiles   = "a program has one value, its input: write ."
	noModules = "put definitions in the program itself, as in def name: …;"
	noHalt    = `to fail, write error("why")`
	noLog     = "the result may have .log with fields for the access log"
)

// forbidden are names of jq that reach out of a program, or that make no sense in
// a gateway, with what to do instead. A program may define its own.
var forbidden = map[string]string{
	"input":             noFiles,
	"inputs":            noFiles,
	"input_filename":    noFiles,
	"input_line_number": noFiles,
	"debug":             noLog,
	"stderr":            noLog,
	"halt":              noHalt,
	"halt_error":        noHalt,
	"modulemeta":        noModules,
	"get_search_list":   noModules,
	"$ENV":              "write env.NAME, with a name that jq.env allows",
	"$__prog_args":      "parameters have names, as in $name",
	"$__prog_name":      "parameters have names, as in $name",
	"$__loc__":          "errors name the program that they come from",
	"get_prog_origin":   noModules,
	"get_jq_origin":     noModules,
}

// absent are functions of jq that gojq lacks, with what does the same.
var absent = map[string]string{
	"keys_unsorted":        "write keys: an object has no order here",
	"ascii":                "write [.] | implode",
	"leaf_paths":           "write paths(scalars)",
	"date":                 "write todate",
	"dateadd":              "add to the number of seconds",
	"datesub":              "subtract from the number of seconds",
	"pow10":                "write exp10",
	"lgamma_r":             "write lgamma",
	"have_literal_numbers": "numbers keep their text until a program computes with them",
	"have_decnum":          "numbers keep their text until a program computes with them",
	"@base32":              "write @base64, or base64url",
	"@base32d":             "write @base64d, or base64url_decode",
}
