package money

import "strings"

// The active codes of ISO 4217 (list one), without precious metals, test codes and units of account, grouped by
// how many decimal digits the minor unit has.
const (
	zeroDigits  = " BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF "
	threeDigits = " BHD IQD JOD KWD LYD OMR TND "
	twoDigits   = " AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF" +
		" CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG" +
		" HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR" +
		" MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK" +
		" SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD" +
		" XCG YER ZAR ZMW ZWG "
)

// KnownCurrency tells whether code is an active ISO 4217 code in capitals.
func KnownCurrency(code string) bool {
	if len(code) != 3 || strings.ContainsRune(code, ' ') {
		return false
	}
	return listed(twoDigits, code) || listed(zeroDigits, code) || listed(threeDigits, code)
}

// Digits is how many decimal digits the minor unit of a currency has; 2 for codes that it does not know.
func Digits(code string) int {
	switch {
	case len(code) == 3 && listed(zeroDigits, code):
		return 0
	case len(code) == 3 && listed(threeDigits, code):
		return 3
	}
	return 2
}

func listed(list, code string) bool { return strings.Contains(list, " "+code+" ") }
