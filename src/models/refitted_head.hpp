#pragma once
// A discriminator with another last layer.
#include "models/network_fwd.hpp"

namespace ddls::models {

struct LastLayer;  // models/network.hpp

// `head` has the shapes of body's own last layer (a bias even where that has none) and its device; it is kept as
// buffers.
NetworkPtr with_head(NetworkPtr body, const LastLayer& head);

}  // namespace ddls::models
