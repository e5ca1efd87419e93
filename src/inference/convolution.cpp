#include "inference/convolution.hpp"

#include <ATen/ATen.h>

#include "inference/frozen.hpp"
#include "inference/image_layout.hpp"

namespace ddls::inference {
namespace {

at::Tensor channels_last(const at::Tensor& image) { return image.contiguous(at::MemoryFormat::ChannelsLast); }

class ConvolutionOperation : public Operation {
 public:
  ConvolutionOperation(const ConvolutionMap& map, Activation activation)
      : forward_(map, activation), vjp_(adjoint(map), no_activation), activation_(activation) {}

  at::Tensor forward(at::Tensor x, Tape& tape) const override {
    at::Tensor y = forward_(x);
    if (activation_.kind != Activation::Kind::none) tape.push(y);
    return y;
  }
  at::Tensor vjp(at::Tensor dy, Tape& tape) const override { return vjp_(activation_.vjp_from(std::move(dy), tape)); }
  OperationWork work(Pass pass, at::IntArrayRef input) const override {
    return (pass == Pass::forward ? forward_ : vjp_).work(input);
  }

 private:
  FrozenConvolution forward_, vjp_;
  Activation activation_;
};

class NormAndRelu : public Operation {
 public:
  NormAndRelu(const FeatureMap& map, at::ScalarType type) : scale_(map.scale.to(type)), shift_(map.shift.to(type)) {}

  at::Tensor forward(at::Tensor x, Tape& tape) const override {
    at::Tensor y = relu_activation.apply(at::addcmul(rows(shift_, tape), x, rows(scale_, tape)));
    tape.push(y);
    return y;
  }
  at::Tensor vjp(at::Tensor dy, Tape& tape) const override {
    return relu_activation.vjp_from(std::move(dy), tape).mul_(rows(scale_, tape));
  }
  OperationWork work(Pass, at::IntArrayRef) const override { return {.kind = "norm and ReLU"}; }

 private:
  static at::Tensor rows(const at::Tensor& values, const Tape& tape) {
    const at::Tensor chosen = values.dim() == 1 ? values : at::embedding(values, tape.labels());
    return chosen.unsqueeze(-1).unsqueeze(-1);
  }
  at::Tensor scale_, shift_;
};

// big += scale * (small enlarged by nearest x2), without the enlarged image.
void add_enlarged(const at::Tensor& big, const at::Tensor& small, double scale) {
  const auto by_blocks = [](const at::Tensor& image, int64_t block) {
    return image.permute({0, 2, 3, 1})
        .view({image.size(0), image.size(2) / block, block, image.size(3) / block, block, image.size(1)});
  };
  by_blocks(big, 2).add_(by_blocks(small, 1), scale);
}

at::Tensor sums_of_blocks(const at::Tensor& image) {
  return at::avg_pool2d(image, 2, 2, 0, false, true, /*divisor_override=*/1);
}

class Residual : public Operation {
 public:
  Residual(Operations main, Operations shortcut, SideChange change)
      : main_(std::move(main)), shortcut_(std::move(shortcut)), change_(change) {}

  at::Tensor forward(at::Tensor x, Tape& tape) const override {
    at::Tensor beside = forward_through(shortcut_, change_ == SideChange::halved ? at::avg_pool2d(x, 2) : x, tape);
    at::Tensor y = forward_through(main_, std::move(x), tape);
    if (change_ == SideChange::doubled) {
      add_enlarged(y, beside, 1);
      return y;
    }
    return y.add_(beside);  // main ends with a convolution, whose result is its own
  }
  at::Tensor vjp(at::Tensor dy, Tape& tape) const override {
    const bool doubled = change_ == SideChange::doubled;
    at::Tensor beside = doubled ? sums_of_blocks(dy) : dy;  // a second handle, so that dy is not written to
    at::Tensor dx = vjp_through(main_, std::move(dy), tape);
    beside = vjp_through(shortcut_, std::move(beside), tape);
    if (change_ == SideChange::halved) {
      add_enlarged(dx, beside, 0.25);
      return dx;
    }
    return dx.add_(beside);
  }
  OperationWork work(Pass, at::IntArrayRef) const override { return {.kind = "residual sum"}; }
  std::vector<Part> parts() const override { return {{"shortcut", shortcut_}, {"main", main_}}; }

 private:
  Operations main_, shortcut_;
  SideChange change_;
};

// Functions of no weight: how elements lie, and back.
template <typename There, typename Back>
class Rearrangement : public Operation {
 public:
  Rearrangement(There there, Back back) : there_(there), back_(back) {}
  at::Tensor forward(at::Tensor x, Tape&) const override { return there_(x); }
  at::Tensor vjp(at::Tensor dy, Tape&) const override { return back_(dy); }
  OperationWork work(Pass, at::IntArrayRef) const override { return {.kind = "rearrangement"}; }

 private:
  There there_;
  Back back_;
};

template <typename There, typename Back>
OperationPtr rearrangement(There there, Back back) {
  return std::make_unique<Rearrangement<There, Back>>(there, back);
}

class ReluAndPool : public Operation {
 public:
  explicit ReluAndPool(bool mean) : mean_(mean) {}

  at::Tensor forward(at::Tensor x, Tape& tape) const override {
    const at::Tensor y = relu_activation.apply_and_keep(std::move(x), tape);
    return mean_ ? y.mean({2, 3}) : y.sum({2, 3});
  }
  at::Tensor vjp(at::Tensor dy, Tape& tape) const override {
    const at::Tensor y = tape.pop();
    if (mean_) dy = dy / (y.size(2) * y.size(3));
    return channels_last(relu_activation.vjp(dy.unsqueeze(-1).unsqueeze(-1).expand_as(y), y));
  }
  OperationWork work(Pass, at::IntArrayRef) const override { return {.kind = "ReLU and pooling"}; }

 private:
  bool mean_;
};

}  // namespace

OperationPtr convolution(const ConvolutionMap& map, Activation activation) {
  return std::make_unique<ConvolutionOperation>(map, activation);
}

OperationPtr norm_and_relu(const FeatureMap& map, at::ScalarType type) {
  return std::make_unique<NormAndRelu>(map, type);
}

OperationPtr residual(Operations main, Operations shortcut, SideChange change) {
  return std::make_unique<Residual>(std::move(main), std::move(shortcut), change);
}

OperationPtr relu_and_pool(bool mean) { return std::make_unique<ReluAndPool>(mean); }

OperationPtr features_as_image(int64_t width, int64_t side) {
  return rearrangement([=](const at::Tensor& x) { return as_image(x, width, side); }, as_vector);
}

OperationPtr image_as_features(int64_t width, int64_t side) {
  return rearrangement(as_vector, [=](const at::Tensor& dy) { return as_image(dy.contiguous(), width, side); });
}

OperationPtr features_as_planes(const std::vector<int64_t>& shape) {
  return rearrangement([shape](const at::Tensor& x) { return x.unflatten(1, shape); },
                       [](const at::Tensor& dy) { return dy.flatten(1); });
}

OperationPtr planes_as_features(const std::vector<int64_t>& shape) {
  return rearrangement([](const at::Tensor& x) { return x.flatten(1); },
                       [shape](const at::Tensor& dy) { return dy.unflatten(1, shape); });
}

OperationPtr depth_to_space() {
  return rearrangement([](const at::Tensor& x) { return at::pixel_shuffle(x, 2); },
                       [](const at::Tensor& dy) { return channels_last(at::pixel_unshuffle(dy, 2)); });
}

OperationPtr space_to_depth() {
  return rearrangement([](const at::Tensor& x) { return channels_last(at::pixel_unshuffle(x, 2)); },
                       [](const at::Tensor& dy) { return at::pixel_shuffle(dy, 2); });
}

OperationPtr to_channels_last() {
  return rearrangement(channels_last, [](const at::Tensor& dy) { return dy; });
}

}  // namespace ddls::inference
