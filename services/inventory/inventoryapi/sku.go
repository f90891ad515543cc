package inventoryapi

import "strings"

// maxSKUBytes bounds a SKU.
const maxSKUBytes = 64

// IsSKU tells whether there may be a SKU of this name: 1 to 64 of the characters A-Z a-z 0-9 . _ - and no dot segment.
func IsSKU(sku string) bool {
	return sku != "" && len(sku) <= maxSKUBytes && !strings.ContainsFunc(sku, notOfSKUs) && sku != "." && sku != ".."
}

func notOfSKUs(r rune) bool {
	return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
}
