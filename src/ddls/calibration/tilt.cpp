#include "ddls/calibration/tilt.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"

namespace ddls::sampling {
namespace {

std::string prefix_of(size_t part) { return std::to_string(part) + "."; }

// i < j of the first `products` components of each group: [2, pairs]
at::Tensor pairs_of(const TiltTerms& terms) {
  std::vector<at::Tensor> pairs;
  int64_t begin = 0;
  for (const int64_t count : terms.groups.empty() ? std::vector{terms.components.count()} : terms.groups) {
    const int64_t q = std::min(terms.products, count);
    pairs.push_back(at::triu_indices(q, q, 1, at::kLong) + begin);
    begin += count;
  }
  return at::cat(pairs, 1);
}

at::Tensor bounded(const at::Tensor& c, double bound) { return bound > 0 ? (c / bound).tanh() * bound : c; }

// One part on the device, its components' map folded into one product: c = x V - m V.
struct Term {
  std::function<at::Tensor(const at::Tensor&)> features;
  at::Tensor directions, shift, linear, quadratic;
  double bound;

  at::Tensor operator()(const at::Tensor& samples) const {
    const at::Tensor x = features(samples);
    const at::ScalarType type = x.scalar_type();
    const at::Tensor t = bounded(at::mm(x, directions.to(type)) - shift.to(type), bound);
    const at::Tensor b = quadratic.to(type), slopes = b.dim() == 2 ? at::mm(t, b) : t * b;
    return (t * (linear.to(type) + slopes)).sum(1);
  }
};

}  // namespace

int64_t TiltTerms::columns() const { return (squares ? 2 : 1) * components.count() + pairs_of(*this).size(1); }

at::Tensor TiltTerms::of(const at::Tensor& features) const {
  const at::Tensor t = bounded(components.of(features), tilt_bound);
  const at::Tensor pairs = pairs_of(*this).to(t.device());
  std::vector<at::Tensor> columns{t, t.index_select(1, pairs[0]) * t.index_select(1, pairs[1])};
  if (squares) columns.insert(columns.begin() + 1, t.square());
  return at::cat(columns, 1);
}

at::Tensor TiltTerms::linear(const at::Tensor& w) const { return w.narrow(0, 0, components.count()).clone(); }

at::Tensor TiltTerms::quadratic(const at::Tensor& w) const {
  const int64_t c = components.count();
  const at::Tensor pairs = pairs_of(*this);
  const at::Tensor b = squares ? at::diag(w.narrow(0, c, c)) : at::zeros({c, c}, w.options());
  const at::Tensor of_pairs = w.narrow(0, squares ? 2 * c : c, pairs.size(1));
  const at::Tensor halves = at::zeros_like(b).index_put({pairs[0], pairs[1]}, of_pairs / 2);
  return b + halves + halves.t();
}

tensor::NamedTensors tensors_of(const Tilt& tilt, const std::vector<SampleFeatures>& features) {
  ensure(features.size() == tilt.parts.size(), "a tilt has features for each part");
  tensor::NamedTensors tensors{{"slopes", tilt.slopes}, {"offsets", tilt.offsets}};
  for (size_t i = 0; i < tilt.parts.size(); ++i) {
    const TiltPart& part = tilt.parts[i];
    const std::string prefix = prefix_of(i);
    tensors[prefix + "mean"] = part.components.mean.cpu().contiguous();
    tensors[prefix + "directions"] = part.components.directions.cpu().contiguous();
    tensors[prefix + "linear"] = part.linear.contiguous();
    tensors[prefix + "quadratic"] = part.quadratic.contiguous();
    tensors[prefix + "bound"] = at::full({1}, part.bound, at::kDouble);
    for (const auto& [name, weight] : features[i].weights) tensors[prefix + "features." + name] = weight;
  }
  return tensors;
}

Tilt tilt_of(const tensor::NamedTensors& tensors, const std::vector<std::string>& names) {
  Tilt tilt{tensors.at("slopes"), tensors.at("offsets"), {}};
  for (size_t i = 0; i < names.size(); ++i) {
    const auto tensor = [&](const char* name) { return tensors.at(prefix_of(i) + name); };
    const auto bound = tensors.find(prefix_of(i) + "bound");  // the first tilts had none
    tilt.parts.push_back({names[i],
                          {tensor("mean"), tensor("directions")},
                          bound == tensors.end() ? 0 : bound->second.item<double>(),
                          tensor("linear"),
                          tensor("quadratic")});
  }
  return tilt;
}

tensor::NamedTensors kept_features(const tensor::NamedTensors& tensors, size_t part) {
  const std::string prefix = prefix_of(part) + "features.";
  tensor::NamedTensors kept;
  for (const auto& [name, tensor] : tensors)
    if (name.starts_with(prefix)) kept[name.substr(prefix.size())] = tensor;
  return kept;
}

RatioCorrection correction_of(const Tilt& tilt, const std::vector<SampleFeatures>& features, c10::Device device) {
  std::vector<Term> terms;
  for (size_t i = 0; i < tilt.parts.size(); ++i) {
    const TiltPart& part = tilt.parts[i];
    const at::Tensor directions = part.components.directions.to(device, at::kDouble),
                     shift = at::mv(directions.t(), part.components.mean.to(device, at::kDouble));
    const auto in_float = [&](const at::Tensor& t) { return t.to(device, at::kFloat); };
    terms.push_back({features.at(i).of, in_float(directions), in_float(shift), in_float(part.linear),
                     in_float(part.quadratic), part.bound});
  }
  const at::Tensor offsets = tilt.offsets.to(device);
  RatioCorrection correction;
  correction.slopes = tilt.slopes.to(device);
  correction.term = [terms, offsets](const at::Tensor& samples, const at::Tensor& labels) {
    const at::ScalarType type = samples.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const at::Tensor x = samples.to(type), typed = offsets.to(type);
    at::Tensor sum = typed.numel() > 1 ? typed.index_select(0, labels) : typed.expand({x.size(0)});
    for (const Term& term : terms) sum = sum + term(x);
    return sum;
  };
  return correction;
}

}  // namespace ddls::sampling
