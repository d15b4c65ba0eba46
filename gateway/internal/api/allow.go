package api

import (
	"context"
	"errors"
	"time"

	"github.com/facestudio/facestudio/gateway/internal/record"
	"github.com/facestudio/facestudio/gateway/internal/tenant"
	"github.com/facestudio/facestudio/gateway/internal/throttle"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

const (
	// picturesLimit is the name of the bound of a day's pictures.
	picturesLimit = "pictures-per-day"
	day           = 24 * time.Hour
	// giveBackTime bounds giving back what a refused request had taken.
	giveBackTime = 5 * time.Second
)

// allow tells for whom a call is made that creates something, in a class that
// its tenant may have, and what the tenant may do.
func (s Settings) allow(ctx context.Context) (jobqueue.Call, tenant.Limits, error) {
	call, err := caller(ctx)
	if err != nil || s.Limits == nil {
		return call, tenant.Limits{}, err
	}
	asked, _ := jobqueue.CallFrom(ctx)
	may := s.Limits(call.Tenant)
	class, ok := may.Class(asked.Class)
	if !ok {
		return call, may, fault.InvalidField("class", "class %s is not yours to use: use one of %s, or name none", asked.Class, may.ClassList())
	}
	call.Class = class
	return call, may, nil
}

// admission is what a generation that is being created has taken of its tenant's
// limits.
type admission struct {
	set Settings
	key jobqueue.RecordKey
	// counter and pictures are what was counted; 0 pictures: nothing.
	counter  jobqueue.RecordKey
	pictures int64
}

// admit takes a place in the line and the day's pictures, or refuses.
func (s Settings) admit(ctx context.Context, key jobqueue.RecordKey, class string, g *gatewayv1.Generation, may tenant.Limits) (*admission, error) {
	a := &admission{set: s, key: key}
	if s.Line != nil {
		err := s.Line.Admit(jobqueue.Admission{
			Key: key, Class: class, Timeout: g.GetTimeout().AsDuration(), MaxInFlight: may.InFlight,
		})
		if err != nil {
			return nil, err
		}
	}
	if may.PicturesPerDay > 0 {
		if err := a.count(ctx, pictureCount(g), may.PicturesPerDay); err != nil {
			a.giveBack(ctx)
			return nil, err
		}
	}
	return a, nil
}

// pictureCount is how many pictures are made for sure; new tries for the sake of
// similarity are not counted.
func pictureCount(g *gatewayv1.Generation) int64 {
	return int64(g.GetPictureCount()) * int64(max(g.GetBestOf(), 1))
}

// count counts pictures of today, UTC.
func (a *admission) count(ctx context.Context, n, most int64) error {
	if n > most {
		return fault.InvalidField("picture_count", "%d pictures with all tries are more than the %d that you may ask for in a day: ask for fewer", n, most)
	}
	now := a.set.Now().UTC()
	tomorrow := now.Truncate(day).Add(day)
	counter := jobqueue.RecordKey{Tenant: a.key.Tenant, ID: now.Format(time.DateOnly)}
	counted, err := a.set.Pictures.Take(ctx, counter, n, most)
	if err != nil && !errors.Is(err, jobqueue.ErrFull) {
		return err
	}
	left := tomorrow.Sub(now)
	throttle.Tell(ctx, throttle.Standing{
		Name: picturesLimit, Quota: most, Window: int64(day.Seconds()),
		Left: max(most-counted, 0), Reset: int64(left.Seconds()) + 1,
	})
	if err != nil {
		f := fault.New(fault.Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED, "",
			"%d of the %d pictures that you may ask for today are used, and this asks for %d: ask for fewer, or retry after midnight UTC", counted, most, n)
		f.Limit, f.RetryAfter = &fault.Limit{Name: picturesLimit, Value: most}, left
		return f
	}
	a.counter, a.pictures = counter, n
	return nil
}

// notCreated says that creating the generation failed. What may have been created
// all the same stays counted, so that limits hold.
func (a *admission) notCreated(ctx context.Context, err error) {
	switch kind := fault.From(err).Kind; {
	case errors.Is(err, record.ErrExists), kind == fault.Exhausted, kind == fault.Invalid:
		a.giveBack(ctx)
	case a.set.Line != nil:
		a.set.Line.Withdraw(a.key)
	}
}

// giveBack gives back what a generation has taken that is not created.
func (a *admission) giveBack(ctx context.Context) {
	if a.set.Line != nil {
		a.set.Line.Withdraw(a.key)
	}
	if a.pictures == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTime)
	defer cancel()
	// What cannot be given back stays counted until midnight.
	_ = a.set.Pictures.Give(ctx, a.counter, a.pictures)
}
