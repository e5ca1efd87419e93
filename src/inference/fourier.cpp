#include "inference/fourier.hpp"

#include <ATen/ATen.h>

namespace ddls::inference {
namespace {

class FourierFeatures : public Operation {
 public:
  explicit FourierFeatures(const at::Tensor& frequencies) : frequencies_(frequencies.flatten()) {}

  at::Tensor forward(at::Tensor x, Tape& tape) const override {
    const int64_t n = x.size(0), points = x.size(1), waves = points * frequencies_.size(0);
    const at::Tensor phase = (x.unsqueeze(2) * frequencies_.to(x.options())).view({n, waves});
    at::Tensor y = at::empty({n, points + 2 * waves}, x.options());
    y.narrow(1, 0, points).copy_(x);
    at::Tensor sines = y.narrow(1, points, waves), cosines = y.narrow(1, points + waves, waves);
    at::sin_out(sines, phase);
    at::cos_out(cosines, phase);
    tape.push(y);
    return y;
  }

  at::Tensor vjp(at::Tensor dy, Tape& tape) const override {
    const at::Tensor y = tape.pop();
    const int64_t count = frequencies_.size(0), points = y.size(1) / (1 + 2 * count), waves = points * count;
    const at::Tensor turned = dy.narrow(1, points, waves) * y.narrow(1, points + waves, waves);
    const at::Tensor rates = turned.addcmul_(dy.narrow(1, points + waves, waves), y.narrow(1, points, waves), -1);
    const at::Tensor by_point = at::mv(rates.view({-1, count}), frequencies_.to(y.options())).view({-1, points});
    return dy.narrow(1, 0, points) + by_point;
  }
  OperationWork work(Pass, at::IntArrayRef) const override { return {.kind = "Fourier features"}; }

 private:
  at::Tensor frequencies_;
};

}  // namespace

OperationPtr fourier_features(const at::Tensor& frequencies) { return std::make_unique<FourierFeatures>(frequencies); }

}  // namespace ddls::inference
