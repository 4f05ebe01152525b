// Command lambdatest runs the emulator of AWS Lambda for examples and by hand. It
// prints what the environment of the SDK should be, a NAME=value a line, and
// serves until it is told to end:
//
//	go run ./internal/lambdatest/cmd/lambdatest -function hello=echo -function mine=./bin/mine
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "lambdatest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o := lambdatest.Options{Log: stderr}
	c := lambdatest.Credentials{Principal: "arn:aws:iam::" + lambdatest.DefaultAccount + ":user/example"}
	var timeout = lambdatest.DefaultTimeout
	flags := flag.NewFlagSet("lambdatest", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.Address, "address", "127.0.0.1:9001", "where the Lambda API listens")
	flags.StringVar(&o.STSAddress, "sts-address", "127.0.0.1:9002", "where the stand-in for STS listens")
	flags.StringVar(&o.Region, "region", lambdatest.DefaultRegion, "the region that requests must be signed for")
	flags.StringVar(&c.AccessKeyID, "access-key-id", "AKIDEXAMPLE", "who may call")
	flags.StringVar(&c.SecretAccessKey, "secret-access-key", "example-secret", "the key that requests must be signed with")
	flags.DurationVar(&timeout, "timeout", timeout, "how long a call may take")
	flags.Func("function", "`NAME`, NAME=HANDLER or NAME=./PROGRAM; may be repeated; all handlers by default", func(text string) error {
		name, program, _ := strings.Cut(text, "=")
		f := lambdatest.Function{Name: name}
		if strings.Contains(program, "/") {
			f.Program = program
		} else {
			f.Handler = program
		}
		o.Functions = append(o.Functions, f)
		return nil
	})
	flags.Func("throttled", "`NAME` of a function that must not run, as with a reserved concurrency of 0; may be repeated", func(name string) error {
		// Its program never runs: with this one none has to be built.
		o.Functions = append(o.Functions, lambdatest.Function{Name: name, Program: os.Args[0], Concurrency: -1})
		return nil
	})
	flags.Func("role", "`ARN` that STS lets everyone assume, or ARN=TOKEN for who has a web identity token; may be repeated", func(text string) error {
		arn, token, ok := strings.Cut(text, "=")
		r := lambdatest.Role{ARN: arn}
		if ok {
			r.Trusts, r.WebIdentityTokens = []string{}, []string{token}
		}
		o.Roles = append(o.Roles, r)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	for i := range o.Functions {
		o.Functions[i].Timeout = timeout
	}
	o.Credentials = []lambdatest.Credentials{c}
	s, err := lambdatest.New(o)
	if err != nil {
		return err
	}
	defer s.Close()
	fmt.Fprintf(stdout, "AWS_ENDPOINT_URL_LAMBDA=%s\nAWS_ENDPOINT_URL_STS=%s\nAWS_REGION=%s\nAWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n",
		s.URL, s.STSURL, s.Region, c.AccessKeyID, c.SecretAccessKey)
	<-ctx.Done()
	return nil
}
