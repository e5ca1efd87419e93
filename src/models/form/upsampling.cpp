#include "models/form/upsampling.hpp"

#include "models/form/convolution.hpp"
#include "models/form/dense.hpp"

namespace ddls {

Operations upsampling_form(at::ScalarType type, const Dense& linear, int64_t width, int64_t side,
                           const std::vector<std::shared_ptr<BatchNorm>>& norms,
                           const std::vector<std::shared_ptr<TransposedConvolution>>& ups) {
  Operations form;
  FeatureMap norm = norms.front()->frozen();
  form.push_back(dense(fold(linear, type, &norm), relu_activation));
  form.push_back(features_as_image(width, side));
  for (size_t i = 0; i < ups.size(); ++i) {
    norm = norms[i + 1]->frozen();
    form.push_back(convolution(fold(*ups[i], type, &norm), relu_activation));
  }
  return form;
}

}  // namespace ddls
