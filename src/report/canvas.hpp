#pragma once
// Drawing into memory with cairo. Positions and sizes are in points of a page of width x height; the pixels are `scale`
// times as many, so that figures stay sharp when magnified.
#include <ATen/core/Tensor.h>

#include <memory>
#include <span>
#include <string>

#include "report/palette.hpp"

namespace ddls::report {

struct Point {
  double x = 0, y = 0;  // y points down
};
struct Box {
  double x = 0, y = 0, width = 0, height = 0;
};
enum class Align { left, centre, right };

class Canvas {
 public:
  Canvas(double width, double height, double scale = 2);  // white
  ~Canvas();

  void path(std::span<const Point> points, Colour colour, double width);
  void dots(std::span<const Point> points, Colour colour, double radius);
  void disc(Point centre, double radius, Colour fill, Colour edge, double edge_width);
  void frame(const Box& box, Colour colour, double width);
  void image(const at::Tensor& image, const Box& box,
             bool smooth = false);  // [1 or 3, H, W] uint8, stretched over the box
  // `at` is on the base line; rotated: reads upwards.
  void text(const std::string& text, Point at, double size, Align align = Align::left, bool rotated = false);

  void clip(const Box& box);  // what follows is drawn inside only
  void unclip();

  at::Tensor pixels() const;  // [3, height * scale, width * scale] uint8

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ddls::report
