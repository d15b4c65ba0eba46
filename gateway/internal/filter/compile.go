package filter

import (
	"errors"
	"fmt"
	"time"

	"go.einride.tech/aip/filtering"
	expr "google.golang.org/genproto/googleapis/api/expr/v1alpha1"
)

// comparisons say what an order, below 0, 0 or above, means.
var comparisons = map[string]func(order int) bool{
	filtering.FunctionEquals:        func(order int) bool { return order == 0 },
	filtering.FunctionNotEquals:     func(order int) bool { return order != 0 },
	filtering.FunctionLessThan:      func(order int) bool { return order < 0 },
	filtering.FunctionLessEquals:    func(order int) bool { return order <= 0 },
	filtering.FunctionGreaterThan:   func(order int) bool { return order > 0 },
	filtering.FunctionGreaterEquals: func(order int) bool { return order >= 0 },
}

// condition compiles an expression that is true or false; the checker has seen
// to it that the types fit.
func condition(e *expr.Expr) (func(Entry) bool, error) {
	call := e.GetCallExpr()
	switch call.GetFunction() {
	case filtering.FunctionAnd, filtering.FunctionOr:
		left, err := condition(call.GetArgs()[0])
		if err != nil {
			return nil, err
		}
		right, err := condition(call.GetArgs()[1])
		if err != nil {
			return nil, err
		}
		if call.GetFunction() == filtering.FunctionAnd {
			return func(e Entry) bool { return left(e) && right(e) }, nil
		}
		return func(e Entry) bool { return left(e) || right(e) }, nil
	case filtering.FunctionNot:
		inner, err := condition(call.GetArgs()[0])
		if err != nil {
			return nil, err
		}
		return func(e Entry) bool { return !inner(e) }, nil
	case filtering.FunctionHas:
		key := call.GetArgs()[1].GetConstExpr().GetStringValue()
		return func(e Entry) bool { _, ok := e.Labels[key]; return ok }, nil
	default:
		return comparison(call)
	}
}

func comparison(call *expr.Expr_Call) (func(Entry) bool, error) {
	holds, ok := comparisons[call.GetFunction()]
	if !ok || len(call.GetArgs()) != 2 {
		return nil, fmt.Errorf("%q is no comparison", call.GetFunction())
	}
	if left, ok := moment(call.GetArgs()[0]); ok {
		right, ok := moment(call.GetArgs()[1])
		if !ok {
			return nil, errors.New("create_time is compared with no time")
		}
		return func(e Entry) bool { return holds(left(e).Compare(right(e))) }, nil
	}
	left, ok := text(call.GetArgs()[0])
	if !ok {
		return nil, fmt.Errorf("the left of %q cannot be compared", call.GetFunction())
	}
	right, ok := text(call.GetArgs()[1])
	if !ok {
		return nil, fmt.Errorf("the right of %q cannot be compared", call.GetFunction())
	}
	return func(e Entry) bool {
		// A label that is not there is neither equal nor unequal to anything.
		a, there := left(e)
		b, too := right(e)
		order := 1
		if a == b {
			order = 0
		}
		return there && too && holds(order)
	}, nil
}

// moment compiles a time: the creation's, or a text in RFC 3339.
func moment(e *expr.Expr) (func(Entry) time.Time, bool) {
	if e.GetIdentExpr().GetName() == createTime {
		return func(e Entry) time.Time { return e.CreateTime }, true
	}
	if call := e.GetCallExpr(); call.GetFunction() == filtering.FunctionTimestamp {
		e = call.GetArgs()[0]
	}
	at, err := time.Parse(time.RFC3339, e.GetConstExpr().GetStringValue())
	return func(Entry) time.Time { return at }, err == nil
}

// text compiles a text, and whether the entry has it: a label, the state, one of
// its names, or a constant.
func text(e *expr.Expr) (func(Entry) (string, bool), bool) {
	switch kind := e.GetExprKind().(type) {
	case *expr.Expr_ConstExpr:
		value, ok := kind.ConstExpr.GetConstantKind().(*expr.Constant_StringValue)
		return func(Entry) (string, bool) { return value.StringValue, true }, ok
	case *expr.Expr_SelectExpr:
		key := kind.SelectExpr.GetField()
		return func(e Entry) (string, bool) { value, ok := e.Labels[key]; return value, ok },
			kind.SelectExpr.GetOperand().GetIdentExpr().GetName() == labels
	case *expr.Expr_IdentExpr:
		if name := kind.IdentExpr.GetName(); name != state {
			return func(Entry) (string, bool) { return name, true }, true
		}
		return func(e Entry) (string, bool) { return e.State, true }, true
	default:
		return nil, false
	}
}
