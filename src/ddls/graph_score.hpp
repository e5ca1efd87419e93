#pragma once
// Generator and ratio through their inference graphs: scores and gradients without autograd. A block of chains is cut
// into micro-batches whose activations stay in cache; their size follows from the architecture alone, so one
// configuration always gives the same bytes.
#include "ddls/ratio_correction.hpp"
#include "ddls/target.hpp"
#include "inference/operation.hpp"

namespace ddls::sampling {

class GraphScore {
 public:
  struct Networks {
    inference::Operations generator, ratio;
  };

  // Of the largest activation of a micro-batch: 8 chains of SN-ResNet 32, 32 of SN-DCGAN 32.
  static constexpr int64_t usual_cache_bytes = int64_t{8} << 20;

  // Tries one chain to see how large activations are: `like` is [1, latent_dim] of the device and type of the graphs.
  // On a GPU blocks stay whole. `observer`: told of what `scores` runs, in networks "generator" and "ratio"; null, or
  // lives longer than this.
  GraphScore(inference::Operations generator, inference::Operations ratio, const at::Tensor& like,
             int64_t cache_bytes = usual_cache_bytes, inference::OperationObserver* observer = nullptr);

  // The same networks, which are shared, with `correction` applied to their ratio.
  GraphScore corrected(RatioCorrection correction) const;

  // z as the generator takes it, of any type; all results are detached. Samples and gradients have the type of z,
  // ratios that of the ratio's last layer.
  at::Tensor decode(const at::Tensor& z, const at::Tensor& labels) const;
  at::Tensor log_ratio(const at::Tensor& z, const at::Tensor& labels) const;
  struct Scores {
    at::Tensor log_ratio, gradient;  // [n]; [n, latent_dim], with respect to z
  };
  Scores scores(const at::Tensor& z, const at::Tensor& labels) const;

  int64_t micro_batch() const { return micro_batch_; }  // chains

 private:
  std::shared_ptr<const Networks> networks_;
  RatioCorrection correction_;
  inference::OperationObserver* observer_;
  at::ScalarType type_;
  int64_t micro_batch_;
};

}  // namespace ddls::sampling
