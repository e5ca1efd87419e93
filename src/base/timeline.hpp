#pragma once
// When activities began and ended: spans that nest, one after the other, of one thread.
#include <cstddef>
#include <functional>
#include <vector>

namespace ddls {

struct Span {
  size_t activity;  // a number of the caller's
  double begin_s, end_s;
  double own_s;  // without the spans inside
};

class Timeline {
 public:
  explicit Timeline(std::function<double()> clock_s) : clock_s_(std::move(clock_s)) {}

  void open(size_t activity);
  size_t close();  // the innermost open span; gives its activity
  size_t current() const { return spans_[open_.back()].activity; }
  const std::vector<Span>& spans() const {
    return spans_;
  }  // in the order of their beginnings; open ones end where they begin

 private:
  std::function<double()> clock_s_;
  std::vector<Span> spans_;
  std::vector<size_t> open_;  // places in spans_
};

}  // namespace ddls
