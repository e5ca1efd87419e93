#pragma once
// Layers with a weight: convolution, transposed convolution, dense layer and embedding, each with or without spectral
// normalisation (Miyato et al. 2018). With it, forward uses W / (u^T W v) for the stored unit vectors u, v, in training
// and in eval alike; the gradient flows through W and takes u, v as constants. Forwards never move u and v:
// models/spectral_norm.hpp does, once per update of the network.
//
// Parameters `weight` and `bias`; buffers `u`, `v` (spectral only), so that they travel with the weights. The matrix is
// [outputs, rest]; of a kernel, rest runs over (height, width, inputs), the order in which channels-last weights lie in
// memory. Four-dimensional weights are channels-last.
#include <torch/nn/module.h>

#include <cstdint>

namespace ddls::models {

struct LayerOptions {
  bool bias = true;
  bool spectral = false;
};

class Layer : public torch::nn::Module {
 public:
  at::Tensor weight() const;  // as forward uses it
  const at::Tensor& raw_weight() const { return weight_; }
  at::Tensor matrix() const;                        // the raw weight as [outputs, rest]
  const at::Tensor& bias() const { return bias_; }  // may be undefined
  bool spectral() const { return u_.defined(); }
  int64_t outputs() const { return weight_.size(output_axis_); }  // elements of u
  // Of the last forward, for one sample, as publications count them: of the plain form, whatever way was taken. 0
  // before the first forward.
  int64_t multiply_adds() const { return multiply_adds_; }

  // Spectral layers only. sigma = u^T W v, a scalar that gradients reach W through.
  at::Tensor sigma() const;
  void set_u(const at::Tensor& direction);  // any vector of `outputs` elements; v is set from it
  void power_iteration();                   // v = W^T u / |.|, u = W v / |.|, in place, without gradient

 protected:
  // `output_axis` of the weight: 0, or 1 for transposed convolutions. Weights are left for models/initialise.hpp to
  // fill.
  Layer(at::IntArrayRef weight_shape, int64_t output_axis, int64_t bias_size, const LayerOptions& options);

  at::Tensor weight_, bias_;
  int64_t multiply_adds_ = 0;

 private:
  int64_t output_axis_;
  at::Tensor u_, v_;
};

class Convolution : public Layer {
 public:
  // Square kernel, zero padding.
  Convolution(int64_t from, int64_t to, int64_t kernel, int64_t stride, int64_t padding, LayerOptions options = {});
  at::Tensor forward(const at::Tensor& x);  // [n, from, H, W]

  // Exact shorter ways, for 3x3 kernels with padding 1 and 1x1 kernels without, both of stride 1; H and W even where
  // they are halved. On a CPU a 3x3 kernel becomes a 4x4 kernel of stride 2 on the smaller side, with 2.25 times fewer
  // multiply-adds; a 1x1 kernel always works on the smaller side, with 4 times fewer.
  at::Tensor forward_doubled(const at::Tensor& x);  // of x enlarged by nearest x2: [n, to, 2 H, 2 W]
  at::Tensor forward_halved(const at::Tensor& x);   // then 2x2 average pooling: [n, to, H / 2, W / 2]

  int64_t stride() const { return stride_; }
  int64_t padding() const { return padding_; }

 private:
  int64_t stride_, padding_;
};

// The 4x4 kernel of stride 2 and padding 1 that does a 3x3 kernel's work together with the change of side, [to, from,
// 4, 4]: doubling, of a transposed convolution; halving, of a convolution.
at::Tensor merged_kernel(const at::Tensor& weight, bool doubling);

class TransposedConvolution : public Layer {
 public:
  TransposedConvolution(int64_t from, int64_t to, int64_t kernel, int64_t stride, int64_t padding,
                        LayerOptions options = {});
  at::Tensor forward(const at::Tensor& x);  // [n, from, H, W]; weight [from, to, kernel, kernel]
  int64_t stride() const { return stride_; }
  int64_t padding() const { return padding_; }

 private:
  int64_t stride_, padding_;
};

class Dense : public Layer {
 public:
  Dense(int64_t from, int64_t to, LayerOptions options = {});
  at::Tensor forward(const at::Tensor& x);  // [n, from]
};

// A row of the weight per label; it never has a bias.
class Embedding : public Layer {
 public:
  Embedding(int64_t classes, int64_t dim, bool spectral = false);
  at::Tensor forward(const at::Tensor& labels);  // int64 [n] in [0, classes) -> [n, dim]
};

}  // namespace ddls::models
