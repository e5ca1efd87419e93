#include "inference/attention.hpp"

#include <ATen/ATen.h>

#include "inference/frozen.hpp"

namespace ddls::inference {
namespace {

// [n, c, H, W] channels-last <-> [n, H W, c], the same memory.
at::Tensor positions_of(const at::Tensor& image) { return image.flatten(2).transpose(1, 2); }
at::Tensor image_of(const at::Tensor& positions, int64_t height, int64_t width) {
  return positions.transpose(1, 2).unflatten(2, {height, width});
}

// Query, key and value in one convolution, so that x is read once.
ConvolutionMap stacked(const AttentionMap& map) {
  ConvolutionMap all = map.query;
  all.weight = at::cat({map.query.weight, map.key.weight, map.value.weight}).contiguous(at::MemoryFormat::ChannelsLast);
  return all;
}

class Attention : public Operation {
 public:
  explicit Attention(const AttentionMap& map)
      : query_width_(map.query.weight.size(0)),
        value_width_(map.value.weight.size(0)),
        into_(stacked(map), no_activation),
        into_pull_(adjoint(stacked(map)), no_activation),
        output_(map.output, no_activation),
        output_pull_(adjoint(map.output), no_activation) {}

  at::Tensor forward(at::Tensor x, Tape& tape) const override {
    const at::Tensor all = into_(x);
    const auto [pooled, places] = at::max_pool2d_with_indices(all.narrow(1, query_width_, pooled_width()), 2);
    const at::Tensor query = positions_of(all.narrow(1, 0, query_width_)).contiguous();
    const at::Tensor weights = at::softmax(at::bmm(query, key_of(pooled).transpose(1, 2)), 2);
    const at::Tensor mixed = at::bmm(weights, value_of(pooled));
    tape.push(query);
    tape.push(pooled);
    tape.push(places);
    tape.push(weights);
    return output_(image_of(mixed, x.size(2), x.size(3))).add_(x);
  }

  at::Tensor vjp(at::Tensor dy, Tape& tape) const override {
    const at::Tensor weights = tape.pop(), places = tape.pop(), pooled = tape.pop(), query = tape.pop();
    const int64_t height = dy.size(2), width = dy.size(3);
    const at::Tensor d_mixed = positions_of(output_pull_(dy));
    const at::Tensor d_scores = at::_softmax_backward_data(at::bmm(d_mixed, value_of(pooled).transpose(1, 2)), weights,
                                                           2, weights.scalar_type());
    const at::Tensor d_query = at::bmm(d_scores, key_of(pooled)), d_key = at::bmm(d_scores.transpose(1, 2), query),
                     d_value = at::bmm(weights.transpose(1, 2), d_mixed);
    const at::Tensor d_pooled = image_of(at::cat({d_key, d_value}, 2), height / 2, width / 2);
    // Of what was pooled only the shape matters here.
    const at::Tensor like =
        at::empty({dy.size(0), pooled_width(), height, width}, dy.options(), at::MemoryFormat::ChannelsLast);
    const at::Tensor d_before = at::max_pool2d_with_indices_backward(d_pooled, like, 2, 2, 0, 1, false, places);
    return into_pull_(at::cat({image_of(d_query, height, width), d_before}, 1)).add_(dy);
  }

  OperationWork work(Pass pass, at::IntArrayRef input) const override {
    const auto inside = [&](int64_t channels) { return std::vector<int64_t>{input[0], channels, input[2], input[3]}; };
    const OperationWork a = pass == Pass::forward ? into_.work(input) : output_pull_.work(input),
                        b = pass == Pass::forward ? output_.work(inside(value_width_))
                                                  : into_pull_.work(inside(query_width_ + pooled_width()));
    return {.kind = "attention",
            .algorithm = a.algorithm,
            .plain_multiply_adds = a.plain_multiply_adds + b.plain_multiply_adds,
            .multiply_adds = a.multiply_adds + b.multiply_adds,
            .weight_bytes = a.weight_bytes + b.weight_bytes};
  }

 private:
  int64_t pooled_width() const { return query_width_ + value_width_; }  // keys are as wide as queries
  at::Tensor key_of(const at::Tensor& pooled) const { return positions_of(pooled).narrow(2, 0, query_width_); }
  at::Tensor value_of(const at::Tensor& pooled) const {
    return positions_of(pooled).narrow(2, query_width_, value_width_);
  }

  int64_t query_width_, value_width_;
  FrozenConvolution into_, into_pull_, output_, output_pull_;
};

}  // namespace

OperationPtr attention(const AttentionMap& map) { return std::make_unique<Attention>(map); }

}  // namespace ddls::inference
