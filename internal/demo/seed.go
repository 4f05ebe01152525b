package demo

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	librarypb "github.com/dragoman-gateway/dragoman/gen/library/v1"
)

// seed fills an empty library. One book is lent, one has no author, one was
// published before the epoch of computers: values worth looking at in JSON.
func (l *Library) seed() {
	shelves := []struct {
		theme string
		books []*librarypb.Book
	}{
		{"Travel", []*librarypb.Book{
			{
				Title: "The Travels", Authors: []string{"Marco Polo", "Rustichello da Pisa"}, Genre: librarypb.Genre_HISTORY,
				Isbn: "9780140440577", Published: year(1300), Words: 120_000,
				Labels: map[string]string{"language": "Franco-Italian", "route": "Silk Road"},
			},
			{
				Title: "A Journey Round My Room", Authors: []string{"Xavier de Maistre"}, Genre: librarypb.Genre_FICTION,
				Isbn: "9781406807516", Published: year(1794), Words: 28_000, Rating: new(4.5),
			},
		}},
		{"Poetry", []*librarypb.Book{
			{
				Title: "Fragments", Authors: []string{"Sappho"}, Genre: librarypb.Genre_POETRY, Published: year(1),
				Isbn: "9780375410673", Words: 4_100, Labels: map[string]string{"language": "Greek"},
			},
			{
				Title: "Sir Gawain and the Green Knight", Genre: librarypb.Genre_POETRY,
				Isbn: "9780140440928", Published: year(1390), Words: 21_000,
			},
		}},
		{"Computing", []*librarypb.Book{
			{
				Title: "Sketch of the Analytical Engine", Subtitle: wrapperspb.String("With Notes by the Translator"),
				Authors: []string{"L. F. Menabrea", "Ada Lovelace"}, Genre: librarypb.Genre_SCIENCE,
				Isbn: "9781108073509", Published: year(1843), Words: 29_000, Rating: new(5.0),
			},
			{
				Title: "On Computable Numbers", Authors: []string{"Alan Turing"}, Genre: librarypb.Genre_SCIENCE,
				Isbn: "9780198250791", Published: year(1936), Words: 18_000,
			},
		}},
	}
	for _, row := range shelves {
		s, err := l.addShelf(row.theme)
		if err != nil {
			panic(err) // the seed is smaller than every limit
		}
		for _, b := range row.books {
			if _, err := l.addBook(s, b); err != nil {
				panic(err)
			}
		}
	}
	lent := l.shelves[1].books[1]
	lent.Whereabouts = &librarypb.Book_Loan{Loan: &librarypb.Loan{
		Reader: "ada", Since: l.tick(), Period: durationpb.New(defaultLoan),
	}}
}

func year(y int) *timestamppb.Timestamp {
	return timestamppb.New(time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC))
}
