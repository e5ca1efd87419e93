#pragma once
// Batch normalisation without running averages. In training mode a batch is normalised by its own statistics (a shard
// of the global batch: so nothing depends on how shards are dealt to ranks), or, once synchronised, by those of the
// global batch. In eval mode fixed "standing statistics" are used; they are measured on given weights by
// `measure_statistics` and are buffers, so they travel with the weights. All modes have second derivatives.
#include <torch/nn/module.h>

#include <functional>
#include <vector>

#include "inference/maps.hpp"
#include "models/layers.hpp"

namespace ddls::models {

// The sum of a vector over all ranks, differentiable (its derivative is the same sum), the identity on one rank.
using CrossRankSum = std::function<at::Tensor(const at::Tensor&)>;

// Batches `first`, `first + stride`, ... are measured here, the others by other processes; `sum` adds over all of them.
struct BatchShare {
  int64_t first = 0, stride = 1;
  CrossRankSum sum = {};
};

class BatchNormBase : public torch::nn::Module {
 public:
  // x: [n, features] or [n, features, H, W]. What `condition` is, the subclass says.
  virtual at::Tensor forward(const at::Tensor& x, const at::Tensor& condition = {}) = 0;

  // `label_vectors`: [classes, e], of norms whose condition is the label's vector followed by latents.
  virtual inference::FeatureMap frozen(const at::Tensor& label_vectors = {}) const = 0;

  // From now on training-mode forwards are collective: one call of `sum` with a float64 vector of 1 + 2 features each,
  // and one more in backward. An empty function ends that.
  void synchronise(CrossRankSum sum) { sum_ = std::move(sum); }

  // Between begin and end, training-mode forwards note their batch statistics; end writes the averages over `batches`
  // batches, of which `share` says which were these, to the buffers.
  void begin_measuring();
  void end_measuring(int64_t batches, const BatchShare& share);
  bool unmeasured() const;  // the buffers are as they were made: mean 0, variance 1

 protected:
  BatchNormBase(int64_t features, double eps);
  // (x - mean) / sqrt(variance + eps) * weight + bias; weight and bias may be undefined.
  at::Tensor normalise(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);
  inference::FeatureMap frozen_with(const at::Tensor& weight, const at::Tensor& bias) const;  // the same in eval mode

 private:
  at::Tensor normalise_globally(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) const;

  double eps_;
  at::Tensor mean_, variance_;
  CrossRankSum sum_;
  bool measuring_ = false;
  std::vector<at::Tensor> measured_;  // per batch: means, then variances; float64
};

// One gain (`weight`, 1 at first) and offset (`bias`, 0) per feature. Any condition is left aside.
class BatchNorm : public BatchNormBase {
 public:
  explicit BatchNorm(int64_t features, double eps = 1e-5);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& condition = {}) override;
  inference::FeatureMap frozen(const at::Tensor& label_vectors = {}) const override;

 private:
  at::Tensor weight_, bias_;
};

// A gain and offset per feature and class (Dumoulin et al. 2017): tables `gains` (1 at first) and `offsets` (0) of
// [classes, features]. The condition are the labels, int64 [n].
class ClassBatchNorm : public BatchNormBase {
 public:
  ClassBatchNorm(int64_t classes, int64_t features, double eps = 1e-5);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& condition) override;
  inference::FeatureMap frozen(const at::Tensor& label_vectors = {}) const override;

 private:
  at::Tensor gains_, offsets_;
};

// Gain 1 + A c and offset B c for a vector c per sample (BigGAN; Brock et al. 2019), A and B dense layers `gain` and
// `offset` without bias. The condition is c, [n, conditions].
class VectorBatchNorm : public BatchNormBase {
 public:
  VectorBatchNorm(int64_t conditions, int64_t features, bool spectral, double eps = 1e-5);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& condition) override;
  inference::FeatureMap frozen(const at::Tensor& label_vectors) const override;

 private:
  std::shared_ptr<Dense> gain_, offset_;
};

// Sets `synchronise` on all batch norms of the network.
void synchronise_batch_norm(torch::nn::Module& network, const CrossRankSum& sum);

// Runs the network in training mode over `batches` batches and fixes the statistics of all its batch norms by the
// average over them; leaves the network in eval mode. Does nothing but that for networks without one.
// `forward_batch(i)` calls the network on batch i (with labels where it is conditional). Collective where the batches
// are shared; the result does not depend on how.
void measure_statistics(torch::nn::Module& network, int64_t batches,
                        const std::function<void(int64_t i)>& forward_batch, const BatchShare& share = {});
// The same for networks of one input: `batch(i)` gives input batch i.
void measure_statistics(torch::nn::Module& network, const std::function<at::Tensor(const at::Tensor&)>& forward,
                        int64_t batches, const std::function<at::Tensor(int64_t)>& batch);

}  // namespace ddls::models
