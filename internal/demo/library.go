package demo

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	librarypb "github.com/dragoman-gateway/dragoman/gen/library/v1"
)

// What the library holds at most, so that a demo left running on a public port
// does not grow without end.
const (
	maxShelves = 1_000
	maxBooks   = 10_000
)

// Library is the service. It is safe for any goroutine. Messages in it are never
// handed out: answers are copies.
type Library struct {
	librarypb.UnimplementedLibraryServer

	// mu guards everything below.
	mu      sync.Mutex
	now     time.Time
	shelves []*shelf
	made    int // shelves ever made; names are not used twice
	books   int // books in all shelves
}

type shelf struct {
	msg   *librarypb.Shelf
	books []*librarypb.Book
	made  int // books ever made
}

// New is a library with three shelves and six books.
func New() *Library {
	l := &Library{now: time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC)}
	l.seed()
	return l
}

// tick moves the clock and reads it.
func (l *Library) tick() *timestamppb.Timestamp {
	t := timestamppb.New(l.now)
	l.now = l.now.Add(time.Minute)
	return t
}

// view is a copy of the shelf as clients see it.
func (s *shelf) view() *librarypb.Shelf {
	msg := proto.CloneOf(s.msg)
	msg.BookCount = int32(len(s.books))
	return msg
}

// book is a copy of the i-th book as clients see it: one that is not lent says
// where it stands.
func (s *shelf) book(i int) *librarypb.Book {
	msg := proto.CloneOf(s.books[i])
	if msg.GetLoan() == nil {
		msg.Whereabouts = &librarypb.Book_Place{Place: int32(i + 1)}
	}
	return msg
}

// findShelf is the shelf of that name, or NOT_FOUND.
func (l *Library) findShelf(name string) (*shelf, error) {
	for _, s := range l.shelves {
		if s.msg.Name == name {
			return s, nil
		}
	}
	return nil, notFound("library.v1.Shelf", name)
}

// findBook is the place of the book of that name, or NOT_FOUND.
func (l *Library) findBook(name string) (*shelf, int, error) {
	parent, _, ok := cutLast(name, "/books/")
	if ok {
		if s, err := l.findShelf(parent); err == nil {
			for i, b := range s.books {
				if b.Name == name {
					return s, i, nil
				}
			}
		}
	}
	return nil, 0, notFound("library.v1.Book", name)
}

// addShelf makes an empty shelf.
func (l *Library) addShelf(theme string) (*shelf, error) {
	if len(l.shelves) >= maxShelves {
		return nil, full("shelves", maxShelves)
	}
	l.made++
	s := &shelf{msg: &librarypb.Shelf{
		Name:       fmt.Sprintf("shelves/%d", l.made),
		Theme:      theme,
		CreateTime: l.tick(),
	}}
	l.shelves = append(l.shelves, s)
	return s, nil
}

// addBook puts b, which the library owns from now on, at the end of s.
func (l *Library) addBook(s *shelf, b *librarypb.Book) (*librarypb.Book, error) {
	if l.books >= maxBooks {
		return nil, full("books", maxBooks)
	}
	s.made++
	b.Name = fmt.Sprintf("%s/books/%d", s.msg.Name, s.made)
	b.CreateTime = l.tick()
	b.Whereabouts = nil
	s.books = append(s.books, b)
	l.books++
	return s.book(len(s.books) - 1), nil
}

// removeBook takes the i-th book from s.
func (l *Library) removeBook(s *shelf, i int) *librarypb.Book {
	b := s.books[i]
	s.books = slices.Delete(s.books, i, i+1)
	l.books--
	return b
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
