#include "report/canvas.hpp"

#include <ATen/ATen.h>
#include <cairo.h>

#include <cmath>
#include <numbers>

#include "base/error.hpp"

namespace ddls::report {
namespace {

constexpr Colour ink{0.13, 0.15, 0.18, 1};

struct DestroySurface {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
};
struct DestroyContext {
  void operator()(cairo_t* context) const { cairo_destroy(context); }
};
using Surface = std::unique_ptr<cairo_surface_t, DestroySurface>;

// cairo's RGB24: 32 bits per pixel in the machine's order, blue in the lowest byte.
Surface new_surface(int width, int height) {
  Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height));
  const cairo_status_t status = cairo_surface_status(surface.get());
  ensure(status == CAIRO_STATUS_SUCCESS, "no drawing surface of {} x {}: {}", width, height,
         cairo_status_to_string(status));
  return surface;
}

// The pixels of a surface as a tensor that lies on cairo's memory: [H, W, 4], blue green red unused.
at::Tensor view(cairo_surface_t* surface) {
  const int64_t width = cairo_image_surface_get_width(surface), height = cairo_image_surface_get_height(surface);
  return at::from_blob(cairo_image_surface_get_data(surface), {height, width, 4},
                       {cairo_image_surface_get_stride(surface), 4, 1}, at::kByte);
}

}  // namespace

struct Canvas::State {
  Surface surface;
  std::unique_ptr<cairo_t, DestroyContext> context;
};

Canvas::Canvas(double width, double height, double scale) : state_(std::make_unique<State>()) {
  state_->surface =
      new_surface(static_cast<int>(std::ceil(width * scale)), static_cast<int>(std::ceil(height * scale)));
  state_->context.reset(cairo_create(state_->surface.get()));
  cairo_t* c = state_->context.get();
  cairo_scale(c, scale, scale);
  cairo_set_source_rgb(c, 1, 1, 1);
  cairo_paint(c);
  cairo_set_line_cap(c, CAIRO_LINE_CAP_ROUND);
  cairo_set_line_join(c, CAIRO_LINE_JOIN_ROUND);
  cairo_select_font_face(c, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
}

Canvas::~Canvas() = default;

void Canvas::path(std::span<const Point> points, Colour colour, double width) {
  cairo_t* c = state_->context.get();
  cairo_new_path(c);
  for (const Point& p : points) cairo_line_to(c, p.x, p.y);
  cairo_set_line_width(c, width);
  cairo_set_source_rgba(c, colour.red, colour.green, colour.blue, colour.alpha);
  cairo_stroke(c);
}

void Canvas::dots(std::span<const Point> points, Colour colour, double radius) {
  cairo_t* c = state_->context.get();
  cairo_set_source_rgba(c, colour.red, colour.green, colour.blue, colour.alpha);
  for (const Point& p : points) {  // one by one: where dots overlap the colour grows denser
    cairo_new_path(c);
    cairo_arc(c, p.x, p.y, radius, 0, 2 * std::numbers::pi);
    cairo_fill(c);
  }
}

void Canvas::disc(Point centre, double radius, Colour fill, Colour edge, double edge_width) {
  cairo_t* c = state_->context.get();
  cairo_new_path(c);
  cairo_arc(c, centre.x, centre.y, radius, 0, 2 * std::numbers::pi);
  cairo_set_source_rgba(c, fill.red, fill.green, fill.blue, fill.alpha);
  cairo_fill_preserve(c);
  cairo_set_source_rgba(c, edge.red, edge.green, edge.blue, edge.alpha);
  cairo_set_line_width(c, edge_width);
  cairo_stroke(c);
}

void Canvas::frame(const Box& box, Colour colour, double width) {
  cairo_t* c = state_->context.get();
  cairo_rectangle(c, box.x, box.y, box.width, box.height);
  cairo_set_source_rgba(c, colour.red, colour.green, colour.blue, colour.alpha);
  cairo_set_line_width(c, width);
  cairo_stroke(c);
}

void Canvas::image(const at::Tensor& image, const Box& box, bool smooth) {
  const at::Tensor colours = image.size(0) == 1 ? image.expand({3, image.size(1), image.size(2)}) : image;
  const Surface source = new_surface(static_cast<int>(image.size(2)), static_cast<int>(image.size(1)));
  view(source.get()).slice(2, 0, 3).copy_(colours.flip(0).permute({1, 2, 0}));
  cairo_surface_mark_dirty(source.get());
  cairo_t* c = state_->context.get();
  cairo_save(c);
  cairo_rectangle(c, box.x, box.y, box.width, box.height);
  cairo_clip(c);
  cairo_translate(c, box.x, box.y);
  cairo_scale(c, box.width / static_cast<double>(image.size(2)), box.height / static_cast<double>(image.size(1)));
  cairo_set_source_surface(c, source.get(), 0, 0);
  cairo_pattern_set_extend(cairo_get_source(c), CAIRO_EXTEND_PAD);
  cairo_pattern_set_filter(cairo_get_source(c), smooth ? CAIRO_FILTER_BILINEAR : CAIRO_FILTER_NEAREST);
  cairo_paint(c);
  cairo_restore(c);
}

void Canvas::text(const std::string& text, Point at, double size, Align align, bool rotated) {
  cairo_t* c = state_->context.get();
  cairo_set_font_size(c, size);
  cairo_text_extents_t extents;
  cairo_text_extents(c, text.c_str(), &extents);
  const double shift = align == Align::left ? 0 : align == Align::centre ? 0.5 : 1;
  cairo_save(c);
  cairo_translate(c, at.x, at.y);
  if (rotated) cairo_rotate(c, -std::numbers::pi / 2);
  cairo_move_to(c, -shift * extents.x_advance, 0);
  cairo_set_source_rgba(c, ink.red, ink.green, ink.blue, ink.alpha);
  cairo_show_text(c, text.c_str());
  cairo_restore(c);
}

void Canvas::clip(const Box& box) {
  cairo_save(state_->context.get());
  cairo_rectangle(state_->context.get(), box.x, box.y, box.width, box.height);
  cairo_clip(state_->context.get());
}

void Canvas::unclip() { cairo_restore(state_->context.get()); }

at::Tensor Canvas::pixels() const {
  const cairo_status_t status = cairo_status(state_->context.get());
  ensure(status == CAIRO_STATUS_SUCCESS, "drawing failed: {}", cairo_status_to_string(status));
  cairo_surface_flush(state_->surface.get());
  return view(state_->surface.get()).slice(2, 0, 3).flip(2).permute({2, 0, 1}).contiguous();
}

}  // namespace ddls::report
