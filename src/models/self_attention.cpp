#include "models/self_attention.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "inference/attention.hpp"
#include "models/fold.hpp"

namespace ddls::models {

SelfAttention::SelfAttention(int64_t channels, bool spectral) {
  if (channels % 8 != 0)
    fail(Exit::config, "model.attention_side: attention needs a multiple of 8 channels where it is, not {}", channels);
  const auto pointwise = [&](int64_t from, int64_t to) {
    return std::make_shared<Convolution>(from, to, 1, 1, 0, LayerOptions{.bias = false, .spectral = spectral});
  };
  strength_ = register_parameter("strength", at::zeros({1}));
  query_ = register_module("query", pointwise(channels, channels / 8));
  key_ = register_module("key", pointwise(channels, channels / 8));
  value_ = register_module("value", pointwise(channels, channels / 2));
  output_ = register_module("output", pointwise(channels / 2, channels));
}

at::Tensor SelfAttention::forward(const at::Tensor& x) {
  const at::Tensor query = query_->forward(x).flatten(2);                     // [n, c/8, HW]
  const at::Tensor key = at::max_pool2d(key_->forward(x), 2).flatten(2);      // [n, c/8, HW/4]
  const at::Tensor value = at::max_pool2d(value_->forward(x), 2).flatten(2);  // [n, c/2, HW/4]
  const at::Tensor weights = at::softmax(at::bmm(query.transpose(1, 2), key), 2);
  const at::Tensor mixed = at::bmm(value, weights.transpose(1, 2)).view({x.size(0), -1, x.size(2), x.size(3)});
  return x + strength_ * output_->forward(mixed.contiguous(at::MemoryFormat::ChannelsLast));
}

inference::OperationPtr SelfAttention::inference_graph(at::ScalarType type) const {
  inference::ConvolutionMap output = fold(*output_, at::kDouble);
  output.weight =
      (output.weight * strength_.detach().to(at::kDouble)).to(type).contiguous(at::MemoryFormat::ChannelsLast);
  return inference::attention({fold(*query_, type), fold(*key_, type), fold(*value_, type), output});
}

}  // namespace ddls::models
