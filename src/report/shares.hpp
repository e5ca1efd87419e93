#pragma once
// How much of the difference of two Fréchet distances each part of the protocol explains, from statistics that were
// kept (evaluate.cache, evaluate.keep_statistics).
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "metrics/frechet.hpp"

namespace ddls::report {

// What decides a Fréchet distance: whose samples against whose, by which network, behind which resize.
struct DistanceOf {
  std::string samples, reference;  // digests
  std::string extractor, resize;   // sha256; as records have it
};

// Statistics in folders, found by digest, network and resize.
class KeptFolders {
 public:
  // Files without provenance, or of another kind, are passed over; so are folders that are not there.
  explicit KeptFolders(const std::vector<std::filesystem::path>& folders);

  // Null where there are none.
  const metrics::GaussianFactor* find(const std::string& digest, const std::string& extractor,
                                      const std::string& resize);
  std::optional<double> distance(const DistanceOf& of);

 private:
  std::map<std::string, std::filesystem::path> files_;
  std::map<std::string, metrics::GaussianFactor> factors_;
};

struct Share {
  std::string part;  // samples, reference, extractor, resize
  double value = 0;  // what it adds from A to B: its Shapley value, the mean over the orders of changing the parts
  double low = 0, high = 0;  // least and most over the orders
};

struct Shares {
  std::vector<Share> shares;  // empty: not known
  std::string why;            // then, what is missing
};

// The distances `value_a` of `a` and `value_b` of `b` are those of the results.
Shares shares_of(KeptFolders& kept, const DistanceOf& a, double value_a, const DistanceOf& b, double value_b);

}  // namespace ddls::report
