#include "ddls/graph_score.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <bit>
#include <limits>

#include "inference/observer.hpp"

namespace ddls {
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

GraphScore::GraphScore(Operations generator, Operations ratio, const at::Tensor& like, int64_t cache_bytes,
                       OperationObserver* observer)
    : generator_(std::move(generator)),
      ratio_(std::move(ratio)),
      observer_(observer),
      type_(like.scalar_type()),
      micro_batch_(std::numeric_limits<int64_t>::max()) {
  if (observer != nullptr) {
    observer->watches("generator", generator_);
    observer->watches("ratio", ratio_);
  }
  if (!like.is_cpu()) return;
  at::NoGradGuard no_grad;
  Tape tape(at::zeros({1}, at::kLong), true);
  forward_through(ratio_, forward_through(generator_, like, tape), tape);
  const int64_t chains = cache_bytes / std::max<int64_t>(tape.largest_row_bytes(), 1);
  micro_batch_ = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(std::max<int64_t>(chains, 1))));
}

at::Tensor GraphScore::decode(const at::Tensor& z, const at::Tensor& labels) const {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> samples;
  for_pieces(z, labels, micro_batch_, [&](const at::Tensor& piece, const at::Tensor& y) {
    Tape tape(y, false);
    samples.push_back(forward_through(generator_, piece.to(type_), tape).to(z.scalar_type()));
  });
  return joined(std::move(samples));
}

at::Tensor GraphScore::log_ratio(const at::Tensor& z, const at::Tensor& labels) const {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> logits;
  for_pieces(z, labels, micro_batch_, [&](const at::Tensor& piece, const at::Tensor& y) {
    Tape tape(y, false);
    logits.push_back(forward_through(ratio_, forward_through(generator_, piece.to(type_), tape), tape));
  });
  return joined(std::move(logits));
}

GraphScore::Scores GraphScore::scores(const at::Tensor& z, const at::Tensor& labels) const {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> logits, gradients;
  for_pieces(z, labels, micro_batch_, [&](const at::Tensor& piece, const at::Tensor& y) {
    Tape tape(y, true, observer_);
    logits.push_back(forward_through(ratio_, forward_through(generator_, piece.to(type_), tape), tape));
    at::Tensor slope = vjp_through(ratio_, at::ones_like(logits.back()), tape);
    gradients.push_back(vjp_through(generator_, std::move(slope), tape).to(z.scalar_type()));
  });
  return {joined(std::move(logits)), joined(std::move(gradients))};
}

}  // namespace ddls
