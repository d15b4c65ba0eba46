package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/facestudio/facestudio/gateway/internal/api"
	"github.com/facestudio/facestudio/gateway/internal/flow"
	"github.com/facestudio/facestudio/gateway/internal/style"
	"github.com/facestudio/facestudio/gateway/internal/upload"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// assets are the parts of the gateway that keep pictures under names.
type assets struct {
	uploads *upload.Store
	styles  *style.Store
}

func openAssets(ctx context.Context, env Env) (assets, error) {
	uploads, err := env.Queue.Documents(ctx, upload.Kind)
	if err != nil {
		return assets{}, fmt.Errorf("open the uploads: %w", err)
	}
	styles, err := env.Queue.Documents(ctx, style.Kind)
	if err != nil {
		return assets{}, fmt.Errorf("open the styles: %w", err)
	}
	return assets{
		uploads: upload.NewStore(uploads, env.Blobs, time.Now, env.Log),
		styles:  style.NewStore(styles, env.Blobs),
	}, nil
}

// style returns the picture of a tenant's style.
func (a *assets) style(ctx context.Context, tenant, name string) (*mediav1.Picture, error) {
	id, ok := style.ParseName(name)
	if !ok {
		return nil, api.BadName(name, "styles/{style}")
	}
	record, err := a.styles.Get(ctx, jobqueue.RecordKey{Tenant: tenant, ID: id})
	return record.GetStyle().GetPicture(), err
}

// serveAssets makes PictureService and StyleService over the stages; queue is what
// carries the encoder's calls, nil when that keeps no results.
func (s *Service) serveAssets(env Env, stages flow.Stages, queue *jobqueue.Conn, shared api.Settings) {
	detector := &flow.Detector{Encoder: stages.Encoder, Bundle: s.bundle}
	if queue != nil {
		detector.Forget = queue.Forget
	}
	size := func(data []byte) (width, height int, err error) { return imaging.Size(data, imaging.Limits{}) }
	s.pictures = api.NewPictures(api.PicturesSettings{Settings: shared, Blobs: env.Blobs, Uploads: s.assets.uploads, Detect: detector.Detect, Size: size})
	s.styles = api.NewStyles(api.StylesSettings{Settings: shared, Blobs: env.Blobs, Store: s.assets.styles, Size: size})
}
