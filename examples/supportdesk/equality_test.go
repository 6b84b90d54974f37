package main

import (
	"os"
	"strings"
	"testing"
)

// TestOneProcessAndFour asks the same questions of one process and of four.
func TestOneProcessAndFour(t *testing.T) {
	text, err := os.ReadFile("testdata/questions.txt")
	if err != nil {
		t.Fatal(err)
	}
	questions := strings.Count(strings.TrimSpace(string(text)), "\n") + 1
	if questions < 20 {
		t.Fatalf("%d questions", questions)
	}
	together, errs, err := ask(t, environment(), string(text), "-ask", "-")
	if err != nil {
		t.Fatalf("%v\n%s%s", err, together, errs)
	}
	if n := strings.Count(together, "\n> ") + 1; n != questions {
		t.Fatalf("%d answers to %d questions", n, questions)
	}
	services := four(t)
	var at []string
	for name, p := range services {
		at = append(at, name+"="+p.url)
	}
	apart, errs, err := ask(t, environment(), string(text), "-ask", "-", "-at", strings.Join(at, ","))
	if err != nil {
		t.Fatalf("%v\n%s%s", err, apart, errs)
	}
	if together != apart {
		a, b := strings.Split(together, "\n"), strings.Split(apart, "\n")
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				t.Fatalf("line %d differs\none process: %s\nfour:        %s", i+1, a[i], b[i])
			}
		}
		t.Fatalf("%d lines against %d", len(a), len(b))
	}
}
