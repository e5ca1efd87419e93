#include "metrics/resize.hpp"

#include <ATen/ATen.h>

#include <map>

#include "base/error.hpp"
#include "data/resample.hpp"

namespace ddls::metrics {
namespace {

data::Filter filter_named(const std::string& name) {
  using data::Filter;
  static const std::map<std::string, Filter> filters{{"area", Filter::area},
                                                     {"box", Filter::box},
                                                     {"bilinear", Filter::bilinear},
                                                     {"bicubic", Filter::bicubic},
                                                     {"lanczos", Filter::lanczos}};
  return filters.at(name);
}

}  // namespace

at::Tensor Resize::applied(const at::Tensor& images) const {
  if (!any() || images.scalar_type() != at::kByte) return images;
  return data::resample(images.cpu(), side, side, filter_named(filter), rounded);
}

std::string Resize::text() const {
  if (!any()) return "by the extractor";
  return fmt::format("{} to {} x {}{}", filter, side, side, rounded ? "" : ", not rounded");
}

Resize resize_of(const config::EvaluateConfig& config) {
  return {config.resize, config.resize_to, config.resize_rounded};
}

}  // namespace ddls::metrics
