#include "ddls/graph_score.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <bit>
#include <limits>

#include "inference/observer.hpp"

namespace ddls::sampling {
namespace {

template <typename Run>
void for_pieces(const at::Tensor& z, const at::Tensor& labels, int64_t size, Run run) {
  for (int64_t begin = 0; begin < z.size(0); begin += size) {
    const int64_t count = std::min(size, z.size(0) - begin);
    run(z.narrow(0, begin, count), labels.defined() ? labels.narrow(0, begin, count) : labels);
  }
}

at::Tensor joined(std::vector<at::Tensor> pieces) { return pieces.size() == 1 ? pieces.front() : at::cat(pieces); }

}  // namespace

GraphScore::GraphScore(inference::Operations generator, inference::Operations ratio, const at::Tensor& like,
                       int64_t cache_bytes, inference::OperationObserver* observer)
    : networks_(std::make_shared<Networks>(std::move(generator), std::move(ratio))),
      observer_(observer),
      type_(like.scalar_type()),
      micro_batch_(std::numeric_limits<int64_t>::max()) {
  if (observer != nullptr) {
    observer->watches("generator", networks_->generator);
    observer->watches("ratio", networks_->ratio);
  }
  if (!like.is_cpu()) return;
  at::NoGradGuard no_grad;
  inference::Tape tape(at::zeros({1}, at::kLong), true);
  inference::forward_through(networks_->ratio, inference::forward_through(networks_->generator, like, tape), tape);
  const int64_t chains = cache_bytes / std::max<int64_t>(tape.largest_row_bytes(), 1);
  micro_batch_ = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(std::max<int64_t>(chains, 1))));
}

at::Tensor GraphScore::decode(const at::Tensor& z, const at::Tensor& labels) const {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> samples;
  for_pieces(z, labels, micro_batch_, [&](const at::Tensor& piece, const at::Tensor& y) {
    inference::Tape tape(y, false);
    samples.push_back(inference::forward_through(networks_->generator, piece.to(type_), tape).to(z.scalar_type()));
  });
  return joined(std::move(samples));
}

GraphScore GraphScore::corrected(RatioCorrection correction) const {
  GraphScore other = *this;
  other.correction_ = std::move(correction);
  return other;
}

at::Tensor GraphScore::log_ratio(const at::Tensor& z, const at::Tensor& labels) const {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> ratios;
  for_pieces(z, labels, micro_batch_, [&](const at::Tensor& piece, const at::Tensor& y) {
    inference::Tape tape(y, false);
    at::Tensor samples = inference::forward_through(networks_->generator, piece.to(type_), tape);
    // Before the ratio, which may write over samples that nobody else holds.
    const at::Tensor term = correction_ ? correction_.term_of(samples, y) : at::Tensor();
    const at::Tensor logits = inference::forward_through(networks_->ratio, std::move(samples), tape);
    ratios.push_back(correction_ ? logits * correction_.slope_of(y, logits) + term : logits);
  });
  return joined(std::move(ratios));
}

GraphScore::Scores GraphScore::scores(const at::Tensor& z, const at::Tensor& labels) const {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> ratios, gradients;
  for_pieces(z, labels, micro_batch_, [&](const at::Tensor& piece, const at::Tensor& y) {
    inference::Tape tape(y, true, observer_);
    at::Tensor samples = inference::forward_through(networks_->generator, piece.to(type_), tape);
    RatioCorrection::Differentiated term;
    if (correction_) term = correction_.differentiated(samples, y);
    const at::Tensor logits = inference::forward_through(networks_->ratio, std::move(samples), tape);
    const at::Tensor slope = correction_ ? correction_.slope_of(y, logits) : at::ones_like(logits);
    at::Tensor of_samples = inference::vjp_through(networks_->ratio, slope, tape);
    if (correction_) of_samples = of_samples + term.gradient.to(of_samples.scalar_type());
    ratios.push_back(correction_ ? logits * slope + term.value : logits);
    gradients.push_back(inference::vjp_through(networks_->generator, std::move(of_samples), tape).to(z.scalar_type()));
  });
  return {joined(std::move(ratios)), joined(std::move(gradients))};
}

}  // namespace ddls::sampling
