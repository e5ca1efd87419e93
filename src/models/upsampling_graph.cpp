#include "models/upsampling_graph.hpp"

#include "inference/convolution.hpp"
#include "inference/dense.hpp"
#include "models/fold.hpp"

namespace ddls::models {

inference::Operations upsampling_graph(at::ScalarType type, const Dense& linear, int64_t width, int64_t side,
                                       const std::vector<std::shared_ptr<BatchNorm>>& norms,
                                       const std::vector<std::shared_ptr<TransposedConvolution>>& ups) {
  inference::Operations graph;
  inference::FeatureMap norm = norms.front()->frozen();
  graph.push_back(inference::dense(fold(linear, type, &norm), inference::relu_activation));
  graph.push_back(inference::features_as_image(width, side));
  for (size_t i = 0; i < ups.size(); ++i) {
    norm = norms[i + 1]->frozen();
    graph.push_back(inference::convolution(fold(*ups[i], type, &norm), inference::relu_activation));
  }
  return graph;
}

}  // namespace ddls::models
