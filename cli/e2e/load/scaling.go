package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// stageTime is how long the sleeping stage takes: short for a picture, long
// beside what the queue adds.
const stageTime = 100 * time.Millisecond

// scaling runs the sleeping stage with more and more replicas. Linear is one call
// for each replica in every stageTime.
func scaling(ctx context.Context, h *house, o options) error {
	fmt.Println("| replicas | calls a second | of linear |\n|---|---|---|")
	var measured, linear plotter.XYs
	var number atomic.Int64
	for _, replicas := range []int{1, 2, 4, 8, 16} {
		stop, err := h.workers(ctx, replicas, 1, stageTime)
		if err != nil {
			return err
		}
		do := func(ctx context.Context) error {
			return h.call(ctx, "scale-"+strconv.FormatInt(number.Add(1), 10))
		}
		// Everybody is at work before it counts.
		busy := options{pipes: 2 * replicas, seconds: 2}
		if _, err := rateOf(ctx, busy, do); err != nil {
			return err
		}
		busy.seconds = o.seconds
		rate, err := rateOf(ctx, busy, do)
		if err != nil {
			return err
		}
		if err := stop(); err != nil {
			return fmt.Errorf("stop the workers: %w", err)
		}
		ideal := float64(replicas) / stageTime.Seconds()
		fmt.Printf("| %d | %.1f | %.3f |\n", replicas, rate, rate/ideal)
		measured = append(measured, plotter.XY{X: float64(replicas), Y: rate})
		linear = append(linear, plotter.XY{X: float64(replicas), Y: ideal})
	}
	if o.plot == "" {
		return nil
	}
	return draw(o.plot, measured, linear)
}

// draw writes the plot.
func draw(file string, measured, linear plotter.XYs) error {
	p := plot.New()
	p.Title.Text = "A stage of " + stageTime.String() + " through the queue"
	p.X.Label.Text, p.Y.Label.Text = "replicas", "calls a second"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = doublings(1, 16), doublings(10, 160)
	p.Legend.Top, p.Legend.Left = true, true
	if err := plotutil.AddLinePoints(p, "linear", linear, "measured", measured); err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	if err := p.Save(5*vg.Inch, 4*vg.Inch, file); err != nil {
		return fmt.Errorf("write the plot: %w", err)
	}
	return nil
}

func doublings(from, to float64) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for v := from; v <= to; v *= 2 {
		ticks = append(ticks, plot.Tick{Value: v, Label: strconv.Itoa(int(math.Round(v)))})
	}
	return ticks
}
